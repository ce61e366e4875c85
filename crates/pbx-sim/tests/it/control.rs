//! The control port, as a script with a socket sees it.

use pbx_sim::{Config, Ledger, PbxSim, Truth, control};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn lines_are_obeyed_and_answered_with_lines_and_an_empty_one() {
    let pbx = PbxSim::start(Config::on_free_ports()).await.unwrap();
    let addr = pbx.control_addr().unwrap();
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"call 2001 2002\r\nanswer 2002\nfly\nstate\n")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let replies: Vec<_> = text.trim_end().split("\n\n").collect();
    assert!(replies[0].starts_with("ok call "), "{text}");
    assert_eq!(replies[1], "ok");
    assert_eq!(
        replies[2],
        "error: there is no command \"fly\"; `help` lists them"
    );
    let truth: Truth = serde_json::from_str(replies[3]).unwrap();
    assert_eq!(truth, pbx.truth());
    assert_eq!(truth.calls[0].connections[1].state, "connected");
}

#[tokio::test]
async fn the_client_gives_the_reply_or_the_reason() {
    let pbx = PbxSim::start(Config::on_free_ports()).await.unwrap();
    let addr = pbx.control_addr().unwrap();
    let tell = |line: &'static str| async move {
        tokio::task::spawn_blocking(move || control::tell(addr, line))
            .await
            .unwrap()
    };
    assert_eq!(tell("traffic load 50").await.unwrap(), "ok");
    let ledger: Ledger = serde_json::from_str(&tell("ledger").await.unwrap()).unwrap();
    assert_eq!(ledger.boots, 1);
    assert!(
        tell("help")
            .await
            .unwrap()
            .contains("traffic load EVENTS-PER-SECOND")
    );
    let error = tell("clear 777").await.unwrap_err().to_string();
    assert_eq!(error, "there is no extension 777");
    pbx.shutdown().await;
    let error = tell("state").await.unwrap_err().to_string();
    assert!(error.contains("no PBX answers"), "{error}");
}

#[tokio::test]
async fn a_control_port_for_everybody_is_refused() {
    let config = Config {
        control: Some("0.0.0.0:0".parse().unwrap()),
        ..Config::on_free_ports()
    };
    let error = PbxSim::start(config).await.unwrap_err().to_string();
    assert!(error.contains("0.0.0.0:0 is not loopback"), "{error}");
}
