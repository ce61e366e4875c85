//! Logs carry the ids of devices, calls and commands; telephone numbers and names stay out of INFO and
//! above, whatever happens.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use csta::InvokeId;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::world::{World, quiet_sim, tell, until};

/// A party outside; no telephone of the PBX, so that its number is a person's.
const NUMBER: &str = "0987123456";
/// What the PBX shows for it.
const NAME: &str = "Ada Example";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_number_and_no_name_reaches_the_log() {
    let watch = Watch::default();
    let subscriber = tracing_subscriber::registry().with(watch.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::info!("{NUMBER} is calling");
    assert_eq!(watch.take().0.len(), 1, "the watch is asleep");

    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2003))).await;
    tell(&sim, &format!("call {NUMBER} 2001")).await;
    tell(&sim, "answer 2001").await;
    let application = world.application();
    let answer = application.call("2002", NUMBER, None).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    for wrong in [format!("{NUMBER} {NAME}"), NAME.to_owned()] {
        let answer = application.call("2003", &wrong, None).await;
        assert_eq!(answer.body["name"], json!("invalidNumber"), "{wrong}");
    }
    world.view_equals_truth(&sim, "with two calls").await;
    unreadable(&world, &sim).await;

    // What is read back from the disks, and told in snapshots.
    world.stop_gateway().await;
    world.start_gateway().await;
    world.synchronised().await;
    world.stop_cloud().await;
    world.start_cloud().await;
    tell(&sim, "clear 2001").await;
    tell(&sim, "clear 2002").await;
    world.view_equals_truth(&sim, "at the end").await;
    let told = format!("{:?}", world.application().events(0).await.next().await);
    assert!(!told.is_empty());
    world.stop_gateway().await;
    world.stop_cloud().await;

    let (offences, seen) = watch.take();
    assert!(seen > 10, "only {seen} log events: nothing was watched");
    assert!(offences.is_empty(), "{offences:#?}");
}

/// A PBX that puts numbers and names where they do not belong.
async fn unreadable(world: &World, sim: &pbx_sim::PbxSim) {
    let shared = world.gateway().shared().clone();
    let unreadable = |world: &World| {
        let client = world.gateway().shared().pbx().client.unwrap_or_default();
        client.bad_messages.values().sum::<u64>()
    };
    let bodies = [
        format!(
            "<OriginatedEvent><monitorCrossRefID>1</monitorCrossRefID><originatedConnection>\
             <callID>1</callID><deviceID>{NUMBER}</deviceID></originatedConnection>\
             <localConnectionInfo>{NAME} {NUMBER}</localConnectionInfo></OriginatedEvent>"
        ),
        format!("<DeliveredEvent>{NUMBER}</DeliveredEvent>"),
        format!("<DeliveredEvent><callingDevice>{NAME}<{NUMBER}></DeliveredEvent>"),
        format!("<SystemStatus><systemStatus>{NAME}</systemStatus></SystemStatus>"),
    ];
    for body in &bodies {
        let mut bytes = BytesMut::new();
        csta::frame::encode(InvokeId::EVENT, body, &mut bytes).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        tell(sim, &format!("raw {hex}")).await;
    }
    until("the unreadable messages to be counted", async || {
        unreadable(world) >= 3
    })
    .await;
    assert_eq!(shared.pbx().downs, 0);
}

/// Reads every log event and span of INFO and above.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<(Vec<String>, usize)>>);

impl Watch {
    fn take(&self) -> (Vec<String>, usize) {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn look(&self, metadata: &Metadata<'_>, text: String) {
        if *metadata.level() > Level::INFO {
            return;
        }
        let mut found = self.0.lock().unwrap();
        found.1 += 1;
        if text.contains(NUMBER) || text.contains(NAME) {
            found.0.push(format!("{} {text}", metadata.target()));
        }
    }
}

impl<S: Subscriber> Layer<S> for Watch
where
    S: for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.look(event.metadata(), text.0);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut text = Text::default();
        attributes.record(&mut text);
        self.look(attributes.metadata(), text.0);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut text = Text::default();
        values.record(&mut text);
        if let Some(metadata) = context.metadata(id) {
            self.look(metadata, text.0);
        }
    }
}

/// All fields of one event.
#[derive(Default)]
pub(crate) struct Text(pub(crate) String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}
