//! Views of calls, made comparable.

use cloud_uplink::LegView;

/// One device's part in a call, in the PBX's own identifiers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leg {
    /// The CSTA `callID`.
    pub call: String,
    /// The extension.
    pub device: String,
    /// The state in the words of the event schema.
    pub state: String,
}

impl Leg {
    /// The leg of an extension; `None` for an outside party's.
    #[must_use]
    pub fn of(view: &LegView) -> Option<Self> {
        Some(Self {
            call: view.pbx.call_id.clone(),
            device: view.endpoint_id.clone()?,
            state: word(&view.state),
        })
    }
}

/// A value as JSON writes it, without quotes.
pub(crate) fn word(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

/// What two sorted lists do not have in common: `-` only in the first, `+` only in the second.
#[must_use]
pub fn differences(first: &[Leg], second: &[Leg]) -> Vec<String> {
    let lacks = |list: &[Leg], leg: &Leg| list.binary_search(leg).is_err();
    let line = |sign: char, leg: &Leg| {
        let Leg {
            call,
            device,
            state,
        } = leg;
        format!("{sign} call {call} device {device} {state}")
    };
    let gone = first.iter().filter(|leg| lacks(second, leg));
    let new = second.iter().filter(|leg| lacks(first, leg));
    let mut lines: Vec<_> = gone.map(|leg| line('-', leg)).collect();
    lines.extend(new.map(|leg| line('+', leg)));
    if lines.is_empty() && first.len() != second.len() {
        lines.push(format!("{} legs against {}", first.len(), second.len()));
        let all = [first, second].map(|list| list.windows(2).filter(|two| two[0] == two[1]));
        let twice = all.into_iter().flatten();
        lines.extend(twice.map(|two| format!("{} twice", line('=', &two[0]))));
    }
    lines
}
