//! How calls sounded, in the call history.

use crate::endpoints::{publish, record};
use crate::harness::{CALL, Far, event};

/// Another call.
const OTHER: &str = "01KA0000000000000000000009";

/// It is told before the record or after it, and once for each call of the gateway's.
#[tokio::test]
async fn a_record_has_how_the_call_sounded() {
    let far = Far::start().await;
    let (mut gateway, _) = far.gateway(1).await;
    let side = r#"{"received":500,"lost":5,"jitterMs":1.2,"r":87.5,"mos":4.2}"#;
    let of = |call: &str, quality: &str| {
        let data = format!(
            r#"{{"callId":"{call}","endpointId":"2001","quality":"{quality}","caller":{side},"called":{side}}}"#
        );
        event("ringway.call.voice.v1", "2001", &data)
    };
    let own = record("2001", 1, "inbound", "answered");
    let other = record("2002", 2, "inbound", "answered").replace(CALL, OTHER);
    publish(
        &mut gateway,
        1,
        &[of(CALL, "high"), own, other, of(CALL, "low")],
    )
    .await;
    let far = far.restart().await;
    let list = far.get("/2017-09-01/callHistory").await.body;
    let items = &list["_embedded"]["items"];
    assert!(items[0]["voice"].is_null());
    let voices = &items[1]["voice"];
    let told = [0, 1].map(|at| &voices[at]["quality"]);
    assert_eq!(told, ["high", "low"]);
    assert_eq!(voices[0]["called"]["mos"], 4.2);
}
