//! What the configuration takes and refuses.
//!
//! Size: the tables of what is refused, a row for each key.

use csta::Dialect;
use csta::dialect::{AssociationMode, Side, Source};

use super::*;

const GOOD: &str = r#"
[gateway]
account-id = "acme"
site-id = "hq"
gateway-id = "gw-1"

[pbx]
address = "192.0.2.10:8882"
devices = ["2000-2003", "0100", "2001"]

[uplink]
url = "wss://cloud.example:443/gateway/v1/channel"
token-file = "/run/credentials/ringway.service/uplink-token"
"#;

fn load(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ringway.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|error| {
        error
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    })
}

#[test]
fn reads_a_minimal_file_and_fills_in_the_defaults() {
    let config = load(GOOD).unwrap();
    assert_eq!(
        config.extensions(),
        ["0100", "2000", "2001", "2002", "2003"]
    );
    assert_eq!(config.portal.listen.0.port(), 8086);
    assert_eq!(config.retention(), Duration::from_secs(72 * 3600));
    assert_eq!(config.outbox.bytes_max.0, 2 << 30);
    assert_eq!(config.pbx.dialect(), Dialect::MX_ONE);
}

/// Each row: what to replace in the good file, by what, and what the error has to say.
const BAD: &[(&str, &str, [&str; 3])] = &[
    (
        "account-id = \"acme\"",
        "account-id = \"a b\"",
        ["gateway.account-id", "a b", "letters, digits"],
    ),
    (
        "account-id = \"acme\"",
        "",
        ["gateway", "missing", "account-id"],
    ),
    (
        "gateway-id",
        "gatway-id",
        ["gateway", "gatway-id", "expected one of"],
    ),
    (
        "\"192.0.2.10:8882\"",
        "\"192.0.2.10\"",
        ["pbx.address", "192.0.2.10", "host:port"],
    ),
    (
        "\"192.0.2.10:8882\"",
        "8882",
        ["pbx.address", "8882", "string"],
    ),
    (
        "\"192.0.2.10:8882\"",
        "\"2001:db8::1:8882\"",
        ["pbx.address", "2001:db8::1:8882", "brackets"],
    ),
    (
        "2000-2003",
        "2003-2000",
        ["pbx.devices", "2003-2000", "lower one first"],
    ),
    (
        "2000-2003",
        "00000-99999",
        ["pbx.devices", "100002", "20000"],
    ),
    (
        "wss://",
        "http://",
        ["uplink.url", "http://cloud.example", "wss://host"],
    ),
    (
        "wss://",
        "ws://",
        ["uplink.url", "ws://cloud.example", "loopback"],
    ),
    (
        "[uplink]",
        "tls = true\n[uplink]",
        ["pbx.ca-file", "missing", "PEM file"],
    ),
    (
        "[uplink]",
        "session-duration-s = 5\n[uplink]",
        ["pbx.session-duration-s", "5", "30 to 86400"],
    ),
    (
        "[uplink]",
        "association = \"x\"\n[uplink]",
        ["pbx.association", "x", "auto"],
    ),
    (
        "[uplink]",
        "dialect = \"mx-two\"\n[uplink]",
        ["pbx.dialect", "mx-two", "\"mivoice-400\""],
    ),
    (
        "[uplink]",
        "[pbx.assumptions]\nstop-sesion = true\n[uplink]",
        ["pbx.assumptions", "stop-sesion", "stop-session"],
    ),
    (
        "[uplink]",
        "[pbx.assumptions]\nstop-session = \"sometimes\"\n[uplink]",
        ["pbx.assumptions.stop-session", "sometimes", "true or false"],
    ),
    (
        "[uplink]",
        "[pbx.assumptions]\nreset-at-percent = 95\n[uplink]",
        ["pbx.assumptions.reset-at-percent", "95", "10 to 90"],
    ),
    (
        "[uplink]",
        "[pbx.assumptions]\neditions = [\"ed3\"]\n[uplink]",
        [
            "pbx.assumptions.editions",
            "sequence",
            "such as \"ed6-ed3\"",
        ],
    ),
    (
        "[uplink]",
        "[pbx.assumptions]\nassociation = \"auto\"\n[uplink]",
        ["pbx.assumptions", "association", "expected one of"],
    ),
    (
        "[uplink]",
        "[pbx.assumptions]\nprefix = \"csta\"\n[uplink]",
        ["pbx.assumptions", "prefix", "expected one of"],
    ),
    (
        "[uplink]",
        "[log]\nlevel = \"loud\"\n[uplink]",
        ["log.level", "loud", "info"],
    ),
    (
        "[uplink]",
        "[outbox]\nbytes-max = \"1 TB\"\n[uplink]",
        ["outbox.bytes-max", "1 TB", "512 MiB"],
    ),
    (
        "[uplink]",
        "requests-in-flight = \"many\"\n[uplink]",
        ["pbx.requests-in-flight", "many", "1 to 200"],
    ),
    (
        "[uplink]",
        "requests-in-flight = 201\n[uplink]",
        ["pbx.requests-in-flight", "201", "1 to 200"],
    ),
    (
        "[uplink]",
        "[portal]\nlisten = \"8086\"\n[uplink]",
        ["portal.listen", "8086", "IP address and a port"],
    ),
    ("[pbx]", "[pbx", ["FILE", "pbx", ""]),
];

#[test]
fn errors_name_file_key_value_and_what_is_allowed() {
    for (old, new, wanted) in BAD {
        assert!(GOOD.contains(old), "{old}");
        let error = load(&GOOD.replace(old, new)).expect_err(new);
        assert!(error.starts_with("FILE"), "{error}");
        for part in wanted {
            assert!(
                error.contains(part),
                "{new}: {error:?} does not say {part:?}"
            );
        }
    }
}

#[test]
fn the_dialect_is_the_one_named_less_what_the_site_has_set() {
    let text = GOOD.replace(
        "[uplink]",
        "dialect = \"openscape\"\nassociation = \"application-session\"\n\
         [pbx.assumptions]\nstop-session = false\nheart-beat-s = 15\neditions = \"ed5-ed4\"\n[uplink]",
    );
    let dialect = load(&text).unwrap().pbx.dialect();
    assert_eq!(dialect.name(), "openscape");
    assert_eq!(dialect.association(), AssociationMode::ApplicationSession);
    assert!(!dialect.stop_session() && dialect.speaks_first());
    assert_eq!(dialect.heart_beat().duration(), Duration::from_secs(15));
    let set = Dialect::SWITCHES
        .iter()
        .map(|switch| switch.value(&dialect));
    assert_eq!(set.filter(|(_, source)| *source == Source::Set).count(), 4);
}

#[test]
fn a_dialect_is_described_with_the_values_and_where_they_are_from() {
    let text = GOOD.replace("[uplink]", "[pbx.assumptions]\nheart-beat-s = 15\n[uplink]");
    let text = describe(&load(&text).unwrap().pbx.dialect());
    let mut lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.join(" ")
    });
    assert_eq!(lines.next().as_deref(), Some("mx-one"));
    let lines: Vec<String> = lines.collect();
    assert!(
        lines.contains(&"association auto assumption".to_owned()),
        "{text}"
    );
    assert!(lines.contains(&"heart-beat-s 15 set".to_owned()), "{text}");
    assert!(!text.contains("prefix"), "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/ringway.toml"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nonexistent/ringway.toml"), "{error}");
}

#[test]
fn secrets_are_read_without_their_line_end_and_empty_ones_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "s3cret\r\n").unwrap();
    assert_eq!(read_secret(&path).unwrap(), "s3cret");
    std::fs::write(&path, "\n").unwrap();
    assert!(
        read_secret(&path)
            .unwrap_err()
            .to_string()
            .contains("1 to 4096")
    );
}

#[test]
fn the_example_names_every_assumption_with_the_value_that_is_assumed() {
    let example = include_str!("../../../../config/ringway.toml");
    let (_, behind) = example.split_once("# [pbx.assumptions]\n").unwrap();
    let (table, _) = behind.split_once("\n\n").unwrap();
    let lines: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .collect();
    let table = lines.join("\n");
    let text = GOOD.replace("[uplink]", &format!("[pbx.assumptions]\n{table}\n[uplink]"));
    let dialect = load(&text).unwrap().pbx.dialect();
    for switch in Dialect::SWITCHES {
        let (value, source) = switch.value(&dialect);
        assert_eq!(value, switch.value(&Dialect::MX_ONE).0, "{}", switch.name);
        let wanted = switch.side == Side::Computing && switch.name != "association";
        assert_eq!(source == Source::Set, wanted, "{}", switch.name);
    }
}

const WITH_SIP: &str = r#"
[sip]
listen = ["udp:192.0.2.20:5060", "tls:192.0.2.20:5061"]
domain = "7454089f-1145-43c2-aaf0-0ffdc1fa1921.eu.example"

[sip.trunk]
targets = ["tcp:192.0.2.10:5060"]
gateway-password-file = "/run/credentials/ringway.service/sip-gateway-password"

[[sip.destinations]]
code = "43800"
to = "echo"
"#;

#[test]
fn the_sip_section_is_optional_and_has_defaults() {
    assert_eq!(load(GOOD).unwrap().sip, None);
    let sip = load(&format!("{GOOD}{WITH_SIP}")).unwrap().sip.unwrap();
    assert_eq!(sip.trunk.gateway_user, "officelinkmxone");
    assert_eq!((sip.trunk.channels.0, sip.no_answer_s.0), (30, 180));
    let brief = WITH_SIP.replace("[sip]\n", "[sip]\nno-answer-s = 9\n");
    let error = load(&format!("{GOOD}{brief}")).unwrap_err();
    assert!(error.contains("sip.no-answer-s"), "{error}");
    assert!(error.contains("10 to 600"), "{error}");
    assert!(sip.trunk.authenticate);
    assert_eq!(sip.destinations[0].to, Destination::Echo);
    assert_eq!(sip.trunk.targets[0].to_string(), "tcp:192.0.2.10:5060");
    assert!(
        sip.policy
            .emergency
            .contains(&NumberPattern("112".to_owned()))
    );
}

#[test]
fn the_site_has_its_own_limit_of_calls_beside_the_channels_of_the_trunk() {
    let with = |more: &str| load(&format!("{GOOD}{WITH_SIP}[sip.policy]\n{more}"));
    for (more, expect) in [("", 1000), ("site-concurrent = 2500", 2500)] {
        let sip = with(more).unwrap().sip.unwrap();
        assert_eq!(
            (sip.policy.site_concurrent.0, sip.trunk.channels.0),
            (expect, 30)
        );
    }
    for more in ["site-concurrent = 0", "site-concurrent = 5001"] {
        let error = with(more).unwrap_err();
        assert!(error.contains("sip.policy.site-concurrent"), "{error}");
        assert!(error.contains("1 to 5000"), "{error}");
    }
}

/// Each row: what to replace in the good section, by what, and what the error has to say.
#[test]
fn softclients_have_a_registrar_and_the_rest_is_assumed() {
    let softclients = "[sip.softclients]\nfile = \"/etc/ringway/softclients.toml\"\n\
                       registrar = \"udp:192.0.2.10:5060\"\n";
    let with = |more: &str| load(&format!("{GOOD}{WITH_SIP}{softclients}{more}"));
    let sip = with("").unwrap().sip.unwrap();
    let section = sip.softclients.unwrap();
    assert_eq!(section.register_per_second.0, 100);
    assert_eq!(
        (section.expires_s.0, section.options_interval_s),
        (600, None)
    );
    assert!(sip.trunk.private_numbering);
    for (more, wanted) in [
        (
            "register-per-second = 0",
            ["sip.softclients.register-per-second", "1 to 500"],
        ),
        (
            "expires-s = 10",
            ["sip.softclients.expires-s", "60 to 86400"],
        ),
        ("domain = \"a b\"", ["sip.softclients.domain", "a domain"]),
        ("users = []", ["sip.softclients", "users"]),
    ] {
        let error = with(more).unwrap_err();
        for word in wanted {
            assert!(error.contains(word), "{more}: {word:?} in {error}");
        }
    }
    let other = softclients.replace("udp:", "tcp:");
    let text = format!("{GOOD}{WITH_SIP}{other}");
    let error = load(&text).unwrap_err();
    assert!(error.contains("sip.softclients.registrar"), "{error}");
    assert!(error.contains("no tcp: address"), "{error}");
}

#[test]
fn a_destination_may_be_an_application_of_the_far_end() {
    let with = |to: &str| load(&format!("{GOOD}{WITH_SIP}").replace("\"echo\"", to));
    let sip = with("\"application:attendant\"").unwrap().sip.unwrap();
    assert_eq!(
        sip.destinations[0].to_string(),
        "43800 goes to the application attendant"
    );
    let error = with("\"application:two words\"").unwrap_err();
    assert!(error.contains("application:"), "{error}");
}

#[test]
fn a_target_without_a_port_is_a_domain() {
    for (target, is_domain, host) in [
        ("tcp:192.0.2.10:5060", false, "192.0.2.10"),
        ("tcp:pbx.example:5070", false, "pbx.example"),
        ("tcp:pbx.example", true, "pbx.example"),
        ("udp:[2001:db8::1]:5060", false, "2001:db8::1"),
        ("udp:[2001:db8::1]", true, "2001:db8::1"),
    ] {
        let text = WITH_SIP.replacen("tcp:192.0.2.10:5060", target, 1);
        let sip = load(&format!("{GOOD}{text}")).unwrap().sip.unwrap();
        let read = &sip.trunk.targets[0];
        assert_eq!((read.is_domain(), read.host()), (is_domain, host));
        assert_eq!(read.to_string(), target);
    }
}

#[test]
fn the_mobile_call_through_number_is_a_code_behind_all_others() {
    let with = |number: &str| {
        let through = "[sip.call-through]\ntargets = [\"tcp:192.0.2.11:5060\"]\nnumber = ";
        load(&format!("{GOOD}{WITH_SIP}{through}\"{number}\"\n"))
    };
    let sip = with("43801").unwrap().sip.unwrap();
    let codes: Vec<_> = sip.codes().map(|code| code.to_string()).collect();
    assert_eq!(
        codes,
        [
            "43800 goes to the echo",
            "43801 goes to the second PBX target"
        ]
    );
    let error = with("43800").unwrap_err();
    assert!(error.contains("is never reached"), "{error}");
}

const BAD_SIP: &[(&str, &str, [&str; 2])] = &[
    (
        "udp:192.0.2.20:5060",
        "sctp:192.0.2.20:5060",
        ["sip.listen", "udp:, tcp: or tls:"],
    ),
    (
        "udp:192.0.2.20:5060",
        "udp:pbx:5060",
        ["sip.listen", "an IP address and a port"],
    ),
    (
        "udp:192.0.2.20:5060",
        "udp:0.0.0.0:5060",
        ["sip.advertise", "names all addresses"],
    ),
    (
        "\"udp:192.0.2.20:5060\", \"tls:192.0.2.20:5061\"",
        "",
        ["sip.listen", "no address"],
    ),
    (
        "tcp:192.0.2.10:5060",
        "tcp:192.0.2.10:0",
        ["sip.trunk.targets", "host:port"],
    ),
    (
        "tcp:192.0.2.10:5060",
        "tls:192.0.2.10:5061",
        ["sip.ca-file", "reached by tls"],
    ),
    (
        "\"tcp:192.0.2.10:5060\"",
        "",
        ["sip.trunk.targets", "names no address"],
    ),
    (
        "gateway-password-file = \"/run/credentials/ringway.service/sip-gateway-password\"",
        "",
        ["sip.trunk.gateway-password-file", "authenticate"],
    ),
    (
        "targets =",
        "pbx-user = \"x\"\ntargets =",
        ["sip.trunk.pbx-user", "belong together"],
    ),
    (
        "targets =",
        "digest = [\"sha-1\"]\ntargets =",
        ["sip.trunk.digest", "\"sha-256\" or \"md5\""],
    ),
    (
        "targets =",
        "digest = []\ntargets =",
        ["sip.trunk.digest", "names no algorithm"],
    ),
    (
        "domain =",
        "mutual-tls = true\ndomain =",
        ["sip.ca-file", "mutual-tls is true"],
    ),
    (
        "targets =",
        "channels = 0\ntargets =",
        ["sip.trunk.channels", "1 to 2000"],
    ),
    (
        "code = \"43800\"",
        "code = \"43 800\"",
        ["sip.destinations", "digits"],
    ),
    (
        "to = \"echo\"",
        "to = \"ecko\"",
        ["sip.destinations", "\"echo\", \"conference\" or"],
    ),
    (
        "to = \"echo\"",
        "to = \"conference\"",
        ["sip.destinations", "need the section [sip.media]"],
    ),
    (
        "to = \"echo\"",
        "to = \"call-through\"",
        ["sip.call-through.targets", "missing"],
    ),
    (
        "code = \"43800\"",
        "code = \"1xx\"",
        ["sip.destinations", "emergency number 112"],
    ),
    (
        "[[sip.destinations]]",
        "[[sip.destinations]]\ncode = \"43xxx\"\nto = \"echo\"\n\n[[sip.destinations]]",
        ["sip.destinations", "\"43xxx\" stands before it"],
    ),
    ("domain =", "domian =", ["sip", "domian"]),
];

#[test]
fn an_emergency_number_may_have_a_code_that_leads_through() {
    let through = "code = \"1xx\"\nto = \"call-through\"\n\
        [sip.call-through]\ntargets = [\"tcp:192.0.2.11:5060\"]";
    let text = WITH_SIP.replacen("code = \"43800\"\nto = \"echo\"", through, 1);
    assert_ne!(text, WITH_SIP);
    load(&format!("{GOOD}{text}")).unwrap();
}

#[test]
fn a_wrong_sip_section_names_its_key_and_what_is_allowed() {
    for (what, by, wanted) in BAD_SIP {
        assert!(WITH_SIP.contains(what), "{what}");
        let text = format!("{GOOD}{}", WITH_SIP.replacen(what, by, 1));
        let error = load(&text).expect_err(by);
        for part in wanted {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }
}
