//! An event as one line for a terminal of 80 columns.

use super::describe::Described;

/// Columns of a terminal. A line that needs more gives up its columns first, then its end.
pub(super) const WIDTH: usize = 80;

/// `04:05:06.789  2001  connection cleared  #12  2001  null  normalClearing`
pub(super) fn event_line(time: &str, device: Option<&str>, described: &Described) -> String {
    let clock = time.split(['T', 'Z']).nth(1).unwrap_or(time);
    let device = number(device.unwrap_or("?"));
    let name = words(&described.name);
    let mut parts: Vec<String> = calls(described).into_iter().collect();
    parts.extend(terminal(described));
    parts.extend(who(described));
    for (name, _) in described.states.iter() {
        parts.push(match described.states.text(name).unwrap_or_default() {
            "true" => "on".to_owned(),
            "false" => "off".to_owned(),
            state => state.to_owned(),
        });
    }
    parts.extend(detail(described));
    // The cause of a transfer is a transfer.
    let cause = described.cause.as_deref();
    parts.extend(cause.filter(|it| !name.starts_with(it)).map(str::to_owned));
    let rest = parts.join("  ");
    let columns = format!("{clock}  {device:<5} {name:<18}  {rest}");
    let words = || format!("{clock}  {device:<5} {name}  {rest}");
    let close = || format!("{clock} {device} {name} {}", parts.join(" "));
    let fits = |line: &String| line.chars().count() <= WIDTH;
    let line = Some(columns.trim_end().to_owned()).filter(fits);
    line.or_else(|| Some(words()).filter(fits))
        .unwrap_or_else(|| cut(close()))
}

/// A text that fits into the terminal; what is left out shows as `…`.
fn cut(text: String) -> String {
    match text.char_indices().nth(WIDTH) {
        None => text,
        Some(_) => text.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}

/// A text in lines that begin in column `indent` and fit into the terminal, as far as its words do.
pub(super) fn folded(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = WIDTH;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column + 1 + width > WIDTH {
            lines.push_str(if lines.is_empty() { "" } else { "\n" });
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

/// The call; where others became a new one, the first of the old and the new one.
fn calls(described: &Described) -> Option<String> {
    let call = short(described.call()?);
    let new = described.connections.text("newConnection").map(short);
    Some(match new.filter(|new| *new != call) {
        Some(new) => format!("{call} > {new}"),
        None => call,
    })
}

/// Which of the terminals that share a number, where the PBX tells.
fn terminal(described: &Described) -> Option<String> {
    let mut devices = described.connections.devices().map(csta::DeviceId::new);
    devices.find_map(|device| Some(format!("at !{}", device.instance()?)))
}

/// The devices that the event is about.
fn who(described: &Described) -> Option<String> {
    let party = |name| described.parties.text(name).map(number);
    let or_unknown = |name| party(name).unwrap_or_else(|| "?".to_owned());
    match described.name.as_str() {
        "TransferedEvent" => Some(format!(
            "by {} to {}",
            or_unknown("transferringDevice"),
            or_unknown("transferredToDevice")
        )),
        "ConferencedEvent" => Some(format!(
            "by {} with {}",
            or_unknown("conferencingDevice"),
            or_unknown("addedParty")
        )),
        "DivertedEvent" => {
            let way = ["callingDevice", "divertingDevice", "newDestination"];
            let way: Vec<_> = way.into_iter().filter_map(party).collect();
            Some(way.join(" > ")).filter(|way| !way.is_empty())
        }
        "DigitsGeneratedEvent" => described.connections.device_of("connection").map(number),
        _ => match (party("callingDevice"), party("calledDevice")) {
            (Some(from), Some(to)) => Some(format!("{from} > {to}")),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => described.parties.first().map(number),
        },
    }
}

/// What some events tell beside devices and states.
fn detail(described: &Described) -> Option<String> {
    let party = |name| described.parties.text(name).map(number);
    match described.name.as_str() {
        "ForwardingEvent" => party("forwardTo").map(|to| format!("to {to}")),
        "MessageWaitingEvent" => {
            party("deviceForMessage").map(|device| format!("number to call {device}"))
        }
        "DigitsGeneratedEvent" => described
            .element("digitGeneratedList")
            .map(|digits| format!("digits {digits}")),
        _ => None,
    }
}

/// The end of a call id: calls near each other differ there.
pub(super) fn short(call: &str) -> String {
    const SHOWN: usize = 4;
    let cut = call.chars().count().saturating_sub(SHOWN);
    format!("#{}", call.chars().skip(cut).collect::<String>())
}

/// The directory number inside a device id.
fn number(device: &str) -> String {
    match csta::DeviceId::new(device).number() {
        "" | "notKnown" | "notRequired" | "notSpecified" => "?".to_owned(),
        number => number.to_owned(),
    }
}

/// `ConnectionClearedEvent` as `connection cleared`.
pub(super) fn words(name: &str) -> String {
    let name = match name.strip_suffix("Event").unwrap_or(name) {
        // The schema's spelling.
        "Transfered" => "Transferred",
        name => name,
    };
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::describe::describe;
    use super::*;

    fn device(element: &str, number: &str) -> String {
        format!("<{element}><deviceIdentifier>{number}</deviceIdentifier></{element}>")
    }

    fn connection(element: &str, call: &str, device: &str) -> String {
        format!("<{element}><callID>{call}</callID><deviceID>{device}</deviceID></{element}>")
    }

    fn line(name: &str, children: &[String]) -> String {
        let children = children.concat();
        let xml = format!("<{name}><monitorCrossRefID>1</monitorCrossRefID>{children}</{name}>");
        let described = describe(xml.as_bytes()).unwrap();
        let line = event_line("2026-02-03T04:05:06.789Z", Some("2001"), &described);
        assert!(line.chars().count() <= WIDTH, "{line}");
        let (_, rest) = line.split_once(" 2001 ").unwrap();
        rest.split("  ")
            .filter(|it| !it.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn a_line_never_leaves_the_terminal() {
        let (from, to) = ("+49301234567890123", "+33142278186004520");
        for (from, to, ends) in [("030123456", "2001", "networkSignal"), (from, to, "…")] {
            let told = line(
                "NetworkReachedEvent",
                &[
                    connection("outboundConnection", "6B0323140001", "T1"),
                    device("networkInterfaceUsed", "T1"),
                    device("callingDevice", from),
                    device("calledDevice", to),
                    "<localConnectionInfo>connected</localConnectionInfo>".to_owned(),
                    "<cause>networkSignal</cause>".to_owned(),
                ],
            );
            assert!(told.ends_with(ends), "{told}");
        }
    }

    #[test]
    fn terminals_of_one_number_are_told_apart() {
        let told = line(
            "DeliveredEvent",
            &[
                connection("connection", "6B0323140001", "N&lt;2001!98&gt;"),
                device("alertingDevice", "N&lt;2001!98&gt;"),
                device("callingDevice", "2002"),
                device("calledDevice", "2001"),
            ],
        );
        assert_eq!(told, "delivered|#0001|at !98|2002 > 2001");
    }

    #[test]
    fn a_longer_text_goes_on_below_itself() {
        let text =
            "the calls at 2001 are not known: refused: systemResourceAvailibility/resourceBusy";
        let told = folded(text, 14);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines
                .iter()
                .all(|it| it.len() <= WIDTH && it.starts_with(&" ".repeat(14)))
        );
        assert_eq!(told.split_whitespace().collect::<Vec<_>>().join(" "), text);
    }

    fn joined(list: &str) -> Vec<String> {
        let item = connection("newConnection", "6B0323140003", "2003");
        vec![
            connection("primaryOldCall", "6B0323140001", "2001"),
            connection("secondaryOldCall", "6B0323140002", "2001"),
            device("transferringDevice", "2001"),
            device("transferredToDevice", "2003"),
            format!("<{list}><connectionListItem>{item}</connectionListItem></{list}>"),
            "<localConnectionInfo>connected</localConnectionInfo>".to_owned(),
        ]
    }

    #[test]
    fn a_feature_is_shown_with_its_value() {
        let raw = str::to_owned;
        assert_eq!(
            line(
                "PresenceStateEvent",
                &[
                    device("device", "2001"),
                    raw("<presenceState><busy>true</busy></presenceState>"),
                ]
            ),
            "presence state|2001|busy"
        );
        assert_eq!(
            line(
                "ForwardingEvent",
                &[
                    device("device", "2001"),
                    raw("<forwardingType>forwardNoAns</forwardingType>"),
                    raw("<forwardStatus>true</forwardStatus><forwardTo>2003</forwardTo>"),
                ]
            ),
            "forwarding|2001|forwardNoAns|on|to 2003"
        );
        assert_eq!(
            line(
                "MessageWaitingEvent",
                &[
                    device("targetDevice", "2001"),
                    raw("<deviceForMessage>2999</deviceForMessage>"),
                    raw("<messageWaitingOn>true</messageWaitingOn>"),
                ]
            ),
            "message waiting|2001|on|number to call 2999"
        );
        assert_eq!(
            line(
                "DigitsGeneratedEvent",
                &[
                    connection("connection", "12", "2001"),
                    raw("<digitGeneratedList>12#</digitGeneratedList>"),
                ]
            ),
            "digits generated|#12|2001|digits 12#"
        );
    }

    #[test]
    fn a_call_is_shown_with_its_devices_and_the_call_that_it_becomes() {
        let raw = str::to_owned;
        assert_eq!(
            line(
                "ConnectionClearedEvent",
                &[
                    connection("droppedConnection", "12", "N&lt;2001!98>"),
                    device("releasingDevice", "N&lt;2001!98>"),
                    raw(
                        "<localConnectionInfo>null</localConnectionInfo><cause>normalClearing</cause>"
                    ),
                ]
            ),
            "connection cleared|#12|at !98|2001|null|normalClearing"
        );
        assert_eq!(
            line(
                "DeliveredEvent",
                &[
                    connection("connection", "6B0323140001", "2002"),
                    device("alertingDevice", "2002"),
                    device("callingDevice", "2001"),
                    device("calledDevice", ""),
                    raw("<lastRedirectionDevice><notRequired/></lastRedirectionDevice>"),
                    raw(
                        "<localConnectionInfo>alerting</localConnectionInfo><cause>newCall</cause>"
                    ),
                ]
            ),
            "delivered|#0001|2001 > ?|alerting|newCall"
        );
        assert_eq!(
            line(
                "DivertedEvent",
                &[
                    connection("connection", "12", "2002"),
                    device("divertingDevice", "2002"),
                    device("newDestination", "2003"),
                    device("callingDevice", "2001"),
                    device("calledDevice", "2002"),
                    raw("<lastRedirectionDevice><notKnown/></lastRedirectionDevice>"),
                    raw("<cause>callForwardNoAnswer</cause>"),
                ]
            ),
            "diverted|#12|2001 > 2002 > 2003|callForwardNoAnswer"
        );
        let mut transferred = joined("transferredConnections");
        transferred.push(raw("<cause>transfer</cause>"));
        assert_eq!(
            line("TransferedEvent", &transferred),
            "transferred|#0001 > #0003|by 2001 to 2003|connected"
        );
        let mut conferenced = joined("conferenceConnections");
        conferenced[2] = device("conferencingDevice", "2001");
        conferenced[3] = device("addedParty", "2003");
        conferenced.push(raw("<cause>conference</cause>"));
        assert_eq!(
            line("ConferencedEvent", &conferenced),
            "conferenced|#0001 > #0003|by 2001 with 2003|connected"
        );
    }
}
