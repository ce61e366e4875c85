//! The demo's own loop: what comes in goes to the board, what is due or asked for is ordered.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use cloud_uplink::Timestamp;
use net::clock;
use pbx_sim::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};

use super::application::{FarEndApi, Heard};
use super::board::{Board, Link, Phase, Tone};
use super::director::{Order, direct};
use super::options::Options;
use super::plugs::{Schedule, Step};
use super::stage::{Scene, Stage};
use super::summary::Summary;

/// Time between two looks at everything, and between two pictures.
const TICK: Duration = Duration::from_millis(100);
/// Messages of the application that may wait; the far end waits beyond.
const HEARD_QUEUE: usize = 1024;
/// Orders that may wait; more key strokes than that are dropped.
const ORDER_QUEUE: usize = 16;
/// Longest time for the end: the calls' ends delivered, everything counted.
const FINISH_MAX: Duration = Duration::from_secs(20);
/// So long nothing more may come before it counts as everything.
const QUIET_AT_END: Duration = Duration::from_millis(700);
/// Longest wait for the director to end the stage.
const END_MAX: Duration = Duration::from_secs(15);
/// How long the called telephone rings before somebody picks up a call of the application, and how
/// long they talk.
const PICK_UP_AFTER: Duration = Duration::from_millis(2500);
const TALK_FOR: Duration = Duration::from_secs(8);

/// Where the board is shown.
pub(crate) trait Screen: Send {
    /// Shows the board; called ten times a second.
    ///
    /// # Errors
    /// When nobody can see it any more.
    fn show(&mut self, board: &Board) -> anyhow::Result<()>;
}

/// What somebody at the keyboard wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// A call from the application.
    Call,
    /// A plug.
    Plug(Order),
    /// The far end away, or back.
    FarEnd,
    /// New calls, or none.
    Pause,
    /// The end; asked for again: at once.
    Quit,
    /// The window has another size.
    Redraw,
}

/// What became of something the application asked for.
#[derive(Debug)]
enum Outcome {
    Placed { text: String, ok: bool },
    Later { text: String, tone: Tone },
}

/// The running demo.
pub(crate) struct Show {
    board: Board,
    options: Options,
    orders: mpsc::Sender<Order>,
    scene: watch::Receiver<Scene>,
    heard: mpsc::Receiver<Heard>,
    outcomes: (mpsc::Sender<Outcome>, mpsc::Receiver<Outcome>),
    api: FarEndApi,
    pbx: pbx_sim::Handle,
    schedule: Schedule,
    started: Instant,
    ran: Option<Duration>,
    far_end_wanted: bool,
    call_wanted: bool,
    placed: (u64, u64),
    plugs: u64,
    /// When the number of what is still missing last changed, and what it was.
    quiet: (Instant, u64, u64),
}

/// Why the loop woke up.
enum Wake {
    Tick,
    Heard(Heard),
    Outcome(Outcome),
    Input(Input),
}

/// Runs a demo on a stage; ends by the clock, or by input.
///
/// # Errors
/// When a part cannot be started again, or the screen is gone.
pub(crate) async fn run(
    options: &Options,
    stage: Stage,
    screen: &mut dyn Screen,
    inputs: mpsc::Receiver<Input>,
) -> anyhow::Result<Summary> {
    let (heard_in, heard) = mpsc::channel(HEARD_QUEUE);
    let (orders, orders_out) = mpsc::channel(ORDER_QUEUE);
    let (scene_in, scene) = watch::channel(stage.scene().clone());
    let started = clock::now();
    let api = stage.api();
    let reader = tokio::spawn(api.clone().follow(heard_in));
    let show = Show {
        board: Board::new(stage.addresses().clone(), options.run_for, started),
        options: options.clone(),
        orders,
        scene,
        heard,
        outcomes: mpsc::channel(ORDER_QUEUE),
        api,
        pbx: stage.pbx(),
        schedule: Schedule::new(options),
        started,
        ran: None,
        far_end_wanted: true,
        call_wanted: false,
        placed: (0, 0),
        plugs: 0,
        quiet: (started, 0, 0),
    };
    let mut director = tokio::spawn(direct(stage, orders_out, scene_in));
    let result = show.run(screen, inputs, &mut director).await;
    reader.abort();
    if !director.is_finished() {
        let ended = tokio::time::timeout(END_MAX, director).await;
        if !matches!(ended, Ok(Ok(Ok(())))) {
            tracing::warn!(?ended, "the parts did not end well");
        }
    }
    result
}

impl Show {
    async fn run(
        mut self,
        screen: &mut dyn Screen,
        mut inputs: mpsc::Receiver<Input>,
        director: &mut JoinHandle<anyhow::Result<()>>,
    ) -> anyhow::Result<Summary> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let wake = tokio::select! {
                _ = tick.tick() => Wake::Tick,
                Some(heard) = self.heard.recv() => Wake::Heard(heard),
                Some(outcome) = self.outcomes.1.recv() => Wake::Outcome(outcome),
                Some(input) = inputs.recv() => Wake::Input(input),
                ended = &mut *director => {
                    ended.context("the demo's director panicked")??;
                    anyhow::bail!("the demo's parts have ended");
                }
            };
            match wake {
                Wake::Heard(heard) => self.board.hear(heard, clock::now()),
                Wake::Outcome(outcome) => self.told(outcome),
                Wake::Input(Input::Quit) if self.ran.is_some() => break,
                Wake::Input(Input::Redraw) => screen.show(&self.board)?,
                Wake::Input(input) => self.obey(input),
                Wake::Tick => {
                    self.tick();
                    screen.show(&self.board)?;
                    if self.is_over() {
                        break;
                    }
                }
            }
        }
        self.look(clock::now());
        let ran = self.ran.unwrap_or_else(|| self.started.elapsed());
        Ok(Summary::of(&self.board, self.placed, self.plugs, ran))
    }

    fn tick(&mut self) {
        let now = clock::now();
        let elapsed = now.duration_since(self.started);
        self.board
            .tick(elapsed, Timestamp::from_unix_ms(clock::unix_ms()));
        self.look(now);
        if self.ran.is_some() {
            return;
        }
        while let Some(step) = self.schedule.due(elapsed) {
            match step {
                Step::Call => self.call_wanted = true,
                Step::Plug(order) => self.order(order),
            }
        }
        if self.call_wanted && self.board.all_up() {
            self.place();
        }
        if self.options.run_for.is_some_and(|time| elapsed >= time) {
            self.finish();
        }
    }

    /// Looks at the stage, and says what changed.
    fn look(&mut self, now: Instant) {
        let before = (self.board.pbx_link, self.board.channel);
        let scene = self.scene.borrow().clone();
        self.board.look(&scene, now);
        let after = (self.board.pbx_link, self.board.channel);
        let back = |was: Link, is: Link| matches!(was, Link::Away(_)) && is == Link::Up;
        if back(before.0, after.0) {
            let text = "the gateway has the PBX again and asks it for its calls";
            self.board.note(Tone::Good, text.to_owned());
        }
        if back(before.1, after.1) {
            let text = "the gateway has the far end again and sends what it kept";
            self.board.note(Tone::Good, text.to_owned());
        }
        let counts = (self.board.produced_total(), self.board.checker.delivered);
        if counts != (self.quiet.1, self.quiet.2) {
            self.quiet = (now, counts.0, counts.1);
        }
    }

    fn obey(&mut self, input: Input) {
        if self.ran.is_some() {
            return;
        }
        match input {
            Input::Call => self.place(),
            Input::Plug(order) => self.order(order),
            Input::FarEnd if self.far_end_wanted => self.order(Order::FarEndAway),
            Input::FarEnd => self.order(Order::FarEndBack),
            Input::Pause if self.board.phase == Phase::Paused => self.order(Order::Resume),
            Input::Pause => self.order(Order::Pause),
            Input::Quit => self.finish(),
            Input::Redraw => {}
        }
    }

    fn order(&mut self, order: Order) {
        if order == Order::Settle && self.board.phase != Phase::Running {
            // Setting the rate would end the pause; resuming goes on at the lively one.
            return;
        }
        if self.orders.try_send(order).is_err() {
            let text = "one thing after the other: the last one is still being done";
            self.board.note(Tone::Plain, text.to_owned());
            return;
        }
        let (tone, text, plug) = match order {
            Order::CutPbx => (Tone::Bad, "the PBX link is cut", true),
            Order::RestartPbx => (Tone::Bad, "the PBX restarts: its calls are gone", true),
            Order::FarEndAway => (Tone::Bad, "the far end goes away", true),
            Order::FarEndBack => (Tone::Good, "the far end comes back", false),
            Order::RestartGateway => (Tone::Bad, "the gateway is stopped and started again", true),
            Order::Pause => (Tone::Plain, "traffic paused", false),
            Order::Resume => (Tone::Plain, "traffic goes on", false),
            Order::Finish => (Tone::Plain, "the end: every call is ended", false),
            Order::Settle => return,
        };
        self.plugs += u64::from(plug);
        match order {
            Order::FarEndAway => self.far_end_wanted = false,
            Order::FarEndBack => self.far_end_wanted = true,
            Order::Pause => self.board.phase = Phase::Paused,
            Order::Resume => self.board.phase = Phase::Running,
            Order::Finish => self.board.phase = Phase::Finishing,
            Order::CutPbx | Order::RestartPbx | Order::RestartGateway | Order::Settle => {}
        }
        self.board.note(tone, text.to_owned());
    }

    fn finish(&mut self) {
        if self.ran.is_none() {
            let now = clock::now();
            self.ran = Some(now.duration_since(self.started));
            self.quiet.0 = now;
            self.order(Order::Finish);
        }
    }

    /// Everything has come, or it is taking too long.
    fn is_over(&self) -> bool {
        let Some(ran) = self.ran else { return false };
        let board = &self.board;
        let complete = board.all_up()
            && board.checker.lost(&board.produced) == 0
            && board.stored == board.produced
            && self.quiet.0.elapsed() >= QUIET_AT_END
            && self.pbx.truth().calls.is_empty();
        complete || self.started.elapsed() > ran + FINISH_MAX
    }

    /// The application places a call between two telephones that are free.
    fn place(&mut self) {
        self.call_wanted = false;
        let busy = self.board.calls.busy();
        let free: Vec<&str> = self
            .options
            .extensions
            .iter()
            .filter(|number| !busy.contains(number))
            .collect();
        let turn = usize::try_from(self.placed.1).unwrap_or_default();
        let (Some(from), Some(to)) = (
            free.get((turn * 3) % free.len().max(1)),
            free.get((turn * 3 + free.len() / 2) % free.len().max(1)),
        ) else {
            return self.board.note(
                Tone::Plain,
                "no two telephones are free for a call".to_owned(),
            );
        };
        if from == to {
            return self.board.note(
                Tone::Plain,
                "no two telephones are free for a call".to_owned(),
            );
        }
        let call = AppCall {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            api: self.api.clone(),
            pbx: self.pbx.clone(),
            outcomes: self.outcomes.0.clone(),
        };
        let text = format!("call {from} → {to} asked for by the application");
        self.placed.1 += 1;
        self.board.note(Tone::Plain, text);
        tokio::spawn(call.live());
    }

    fn told(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Placed { text, ok } => {
                self.placed.0 += u64::from(ok);
                let tone = if ok { Tone::Good } else { Tone::Bad };
                self.board.note(tone, text);
            }
            Outcome::Later { text, tone } => self.board.note(tone, text),
        }
    }
}

/// A call that the application places, from the request to its end.
struct AppCall {
    from: String,
    to: String,
    api: FarEndApi,
    pbx: pbx_sim::Handle,
    outcomes: mpsc::Sender<Outcome>,
}

impl AppCall {
    async fn live(self) {
        let Self {
            from,
            to,
            api,
            pbx,
            outcomes,
        } = self;
        // Nobody listens to outcomes once the demo is over.
        let asked = clock::now();
        let placed = api.make_call(&from, &to).await;
        let took_ms = asked.elapsed().as_millis();
        let placed = match placed {
            Ok(placed) => placed,
            Err(error) => {
                let text = format!("call {from} → {to} was not placed: {error:#}");
                let _ = outcomes.send(Outcome::Placed { text, ok: false }).await;
                return;
            }
        };
        let text = format!("call {from} → {to} placed in {took_ms} ms, confirmed by the PBX");
        let _ = outcomes.send(Outcome::Placed { text, ok: true }).await;
        sleep(PICK_UP_AFTER).await;
        // The call may have come to its end by a plug that was pulled.
        let picked_up = pbx.command(Command::Answer(to.clone())).is_ok();
        sleep(TALK_FOR).await;
        let Some(call) = placed.call_id.filter(|_| picked_up) else {
            return;
        };
        let (text, tone) = match api.end_call(&from, call).await {
            Ok(_) => (
                format!("call {from} → {to} ended by the application"),
                Tone::Good,
            ),
            Err(error) => (
                format!("call {from} → {to} was not ended: {error:#}"),
                Tone::Plain,
            ),
        };
        let _ = outcomes.send(Outcome::Later { text, tone }).await;
    }
}
