//! The PBX before a judge that shares nothing with our crates: `tests/python/csta_client.py`.

use std::process::Command;

use csta::Dialect;
use pbx_sim::{Config, PbxSim};

/// Where Debian's lxml is, and where another one may be.
const INTERPRETERS: [&str; 2] = ["/usr/bin/python3", "python3"];
const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/python/csta_client.py"
);

fn interpreter() -> &'static str {
    let has_lxml = |python: &&str| {
        let output = Command::new(python).args(["-c", "import lxml"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = INTERPRETERS.into_iter().find(has_lxml);
    found.expect("Python 3 with lxml: apt-get install python3-lxml")
}

/// What the script says of a PBX of that dialect to which `commands` are told: its last words, and
/// whether all was right.
async fn judge(dialect: Dialect, commands: &[&str]) -> (String, bool) {
    let mut config = Config::on_free_ports();
    let name = dialect.name();
    config.association.dialect = dialect;
    config.commands = commands.iter().map(|it| it.parse().unwrap()).collect();
    let pbx = PbxSim::start(config).await.unwrap();
    let mut command = Command::new(interpreter());
    let (host, port) = (pbx.addr().ip().to_string(), pbx.addr().port().to_string());
    command.args([SCRIPT, &host, &port, name]);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    pbx.shutdown().await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    (said + &complaint, output.status.success())
}

fn with(switch: &str, value: &str) -> Dialect {
    let mut dialect = Dialect::ECMA;
    dialect.set(switch, value).unwrap();
    dialect
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_other_making_finds_the_pbx_right_in_every_dialect() {
    let set = [
        with("answers", "after-events"),
        with("service-initiated", "false"),
        with("resulting-call", "primary"),
        with("resulting-call", "secondary"),
        with("snapshot", "segmented"),
    ];
    for dialect in Dialect::ALL.into_iter().chain(set) {
        let (said, right) = judge(dialect, &[]).await;
        assert!(right, "{dialect:?}: {said}");
        assert!(said.contains("messages, all in order"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_other_making_finds_what_is_wrong() {
    for (fault, complaint) in [
        ("drop every 7", "gives ["),
        ("drop EstablishedEvent", "AnswerCall gives ['', '', '']"),
        ("duplicate every 9", "in state"),
    ] {
        let (said, right) = judge(Dialect::ECMA, &[fault]).await;
        assert!(!right && said.contains(complaint), "{fault}: {said}");
    }
}

#[test]
fn the_script_is_short_enough_to_be_judged_itself() {
    let script = std::fs::read_to_string(SCRIPT).unwrap();
    assert!(script.lines().count() <= 200);
}
