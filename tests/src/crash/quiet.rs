//! Quiet points: the PBX stands still, the gateway catches up, and every view has to be the same.

use std::time::Duration;

use anyhow::Result;

use super::reader::Reader;
use crate::harness::legs::differences;
use crate::harness::pbx::legs_of;
use crate::harness::{Leg, Site};

/// Longest wait until gateway and far end have caught up: the longest waits of both links' back-off
/// after a few failures, and some more.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);
/// Views that are equal have to stay so.
const STEADY: Duration = Duration::from_millis(300);
/// How often is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The three views of all calls.
#[derive(Debug)]
struct Views {
    /// The simulator's truth.
    truth: Vec<Leg>,
    /// What the far end answers.
    far_end: Vec<Leg>,
    /// What the events alone lead to.
    events: Vec<Leg>,
    /// The reader has everything that the far end's answer holds.
    read: bool,
}

/// Waits until everything has caught up and compares. What differs, in lines; how many legs there were.
///
/// # Errors
/// The simulator does not answer.
pub async fn compare(site: &Site, reader: &Reader) -> Result<(Vec<String>, usize)> {
    let end = net::clock::now() + CATCH_UP_MAX;
    loop {
        let before = settled(site, reader).await?;
        if let Ok(legs) = before {
            tokio::time::sleep(STEADY).await;
            let after = settled(site, reader).await?;
            if after.as_ref().is_ok_and(|again| *again == legs) {
                return Ok((Vec::new(), legs.len()));
            }
        }
        if net::clock::now() > end {
            return Ok((explain(site, reader).await?, 0));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The legs on which all views agree, if they do and nothing is under way.
async fn settled(site: &Site, reader: &Reader) -> Result<Result<Vec<Leg>, ()>> {
    if !site.is_synchronised().await {
        return Ok(Err(()));
    }
    let Some(views) = look(site, reader).await? else {
        return Ok(Err(()));
    };
    let equal = views.read && views.truth == views.far_end && views.truth == views.events;
    Ok(if equal { Ok(views.truth) } else { Err(()) })
}

async fn look(site: &Site, reader: &Reader) -> Result<Option<Views>> {
    let truth = legs_of(&site.pbx.truth()?);
    let Ok((far_end, cursor)) = site.calls().await else {
        return Ok(None);
    };
    let account = reader.account();
    Ok(Some(Views {
        truth,
        far_end,
        events: account.view(),
        read: account.cursor >= cursor,
    }))
}

/// Why the views did not agree in time.
async fn explain(site: &Site, reader: &Reader) -> Result<Vec<String>> {
    let condition = site.condition().await;
    let mut lines = vec![match condition {
        Ok(condition) => format!("not equal in time; the gateway says {condition:?}"),
        Err(error) => format!("not equal in time; the gateway says nothing: {error:#}"),
    }];
    match look(site, reader).await? {
        Some(views) => {
            let far_end = differences(&views.truth, &views.far_end);
            let events = differences(&views.truth, &views.events);
            lines.extend(far_end.iter().map(|line| format!("far end: {line}")));
            lines.extend(events.iter().map(|line| format!("events:  {line}")));
            if !views.read {
                lines.push("the reader is behind the far end".to_owned());
            }
        }
        None => lines.push("the far end does not answer".to_owned()),
    }
    Ok(lines)
}
