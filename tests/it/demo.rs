//! The demo itself, with every plug pulled.

use std::time::Duration;

use gateway::demo::{Options, Summary, run_plain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_loses_nothing_though_every_plug_is_pulled() {
    let options = Options {
        run_for: Some(Duration::from_secs(10)),
        plugs: true,
        plain: true,
        free_ports: true,
        ..Options::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let summary = run_plain(&options, dir.path(), &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();

    assert!(summary.is_good(), "{text}");
    assert_eq!(summary.plugs, 4, "{text}");
    assert_eq!(summary.placed.1, 1, "{text}");
    let Summary {
        produced,
        stored,
        delivered,
        gaps,
        ..
    } = summary;
    assert_eq!((stored, delivered + gaps), (produced, produced), "{text}");
    assert!(summary.calls > 3, "{text}");
    assert_eq!(summary.calls_left, 0, "{text}");

    assert!(text.starts_with("ringway demo: "), "{text}");
    assert!(text.contains("lost=0 duplicated=0 out_of_order=0"));
    assert_eq!(text.lines().last(), Some(summary.machine_line().as_str()));
    assert!(!text.contains('\u{1b}'), "no escape codes: {text}");
}
