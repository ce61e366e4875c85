//! The channel cut while both ends live on.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use net::uplink::UplinkState;
use pbx_sim::PbxSim;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::world::{World, quiet_sim, tell, until};

/// A wire to the far end that can be cut.
struct Wire {
    port: u16,
    cut: watch::Sender<u64>,
}

impl Wire {
    async fn to(far_end: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, cuts) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(far_end).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// A world whose gateway reaches the far end over a wire.
async fn wired() -> (World, PbxSim, Wire) {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2050))).await;
    world.stop_gateway().await;
    let wire = Wire::to(world.cloud_addr).await;
    world.channel_port = Some(wire.port);
    world.start_gateway().await;
    world.synchronised().await;
    connected(&world, 0).await;
    (world, sim, wire)
}

/// Waits until the channel is up again after so many reconnects.
async fn connected(world: &World, reconnects: u64) {
    until("the channel to be up", async || {
        let status = world.gateway().shared().uplink.borrow().clone();
        status.state == UplinkState::Up && status.reconnects >= reconnects
    })
    .await;
}

/// Which crates logged that a session goes on.
#[derive(Clone, Default)]
struct Resumed(Arc<Mutex<Vec<&'static str>>>);

impl Resumed {
    fn said_by(&self, end: &str) -> u64 {
        let all = self.0.lock().unwrap();
        all.iter().filter(|name| **name == end).count() as u64
    }
}

impl<S: Subscriber> Layer<S> for Resumed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut yes = IsResumed(false);
        event.record(&mut yes);
        if yes.0 {
            let end = event.metadata().target().split("::").next().unwrap();
            self.0.lock().unwrap().push(end);
        }
    }
}

struct IsResumed(bool);

impl Visit for IsResumed {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0 |= value && field.name() == "resumed";
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// On one thread, so that what is logged can be heard.
#[tokio::test]
async fn a_session_goes_on_after_a_cut_and_takes_commands_at_once() {
    let resumed = Resumed::default();
    let subscriber = tracing_subscriber::registry().with(resumed.clone());
    let _heard = tracing::subscriber::set_default(subscriber);
    let (world, sim, wire) = wired().await;
    let application = world.application();
    for round in 1..=3 {
        let from = format!("20{:02}", 2 * round);
        let to = format!("20{:02}", 2 * round + 1);
        assert_eq!(
            application.call(&from, &to, None).await.status,
            201,
            "before cut {round}"
        );
        wire.cut();
        connected(&world, round).await;
        assert_eq!(
            application.call(&to, "2050", None).await.status,
            502,
            "busy, and told so"
        );
        let free = format!("20{:02}", 20 + round);
        let made = application.call(&free, "0123456", None).await;
        assert_eq!(made.status, 201, "after cut {round}: {}", made.body);
        assert_eq!(world.gateway().shared().uplink.borrow().reconnects, round);
        for end in ["cloud", "net"] {
            assert_eq!(resumed.said_by(end), round, "{end} after cut {round}");
        }
    }
    world.view_equals_truth(&sim, "after the cuts").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_under_way_when_the_channel_is_cut_are_each_placed_once_and_answered() {
    let (world, sim, wire) = wired().await;
    tell(&sim, "delay 300").await;
    let world = Arc::new(world);
    let mut calls = tokio::task::JoinSet::new();
    for n in 1..=20 {
        let application = world.application();
        calls.spawn(async move {
            application
                .call(&format!("20{n:02}"), "0123456", None)
                .await
        });
    }
    until("the calls to be under way", async || {
        sim.ledger()
            .requests
            .get("MakeCall")
            .is_some_and(|calls| *calls >= 10)
    })
    .await;
    wire.cut();
    connected(&world, 1).await;
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    assert_eq!(sim.ledger().requests["MakeCall"], 20);
    assert_eq!(world.gateway().shared().uplink.borrow().reconnects, 1);
}
