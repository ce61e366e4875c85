//! Settings of the portal, laid over those of the configuration file.
//!
//! They stand in a file of their own beside the portal's, which the service reads together with the
//! installer's: what the portal has set counts, everything else is as the installer wrote it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use local_portal::Setting;
use tokio::sync::Notify;

use crate::config::Config;
use crate::daemon::Settings;

/// Name of the file under the state directory.
pub const OVERLAY: &str = "portal/settings.toml";
/// Name of settings that are being judged.
const CANDIDATE: &str = "portal/settings.candidate.toml";

/// The configuration file and the portal's settings over it.
#[derive(Debug, Clone)]
pub struct SettingsFile {
    /// The installer's file.
    config: PathBuf,
    /// What the service was started with.
    started: Arc<Config>,
    /// Told when the settings have changed.
    changed: Arc<Notify>,
}

impl SettingsFile {
    /// Settings over the file `config`, with which, as `started`, the service was started.
    #[must_use]
    pub fn new(config: &Path, started: &Config) -> Self {
        Self {
            config: config.to_owned(),
            started: Arc::new(started.clone()),
            changed: Arc::default(),
        }
    }

    /// Waits until the portal has changed the settings.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What file and settings say for these keys.
    pub(super) fn configured(&self, keys: &[&'static str]) -> Vec<(&'static str, String)> {
        let values = Config::values(&self.config, keys);
        values.unwrap_or_else(|error| {
            tracing::warn!(%error, "the portal cannot read the configuration");
            Vec::new()
        })
    }

    /// The installer's file and the portal's settings, with each value taken out that is a secret.
    pub(super) fn without_secrets(&self) -> [(&'static str, String); 2] {
        let overlay = self.started.gateway.state_dir.join(OVERLAY);
        [
            ("ringway.toml", &self.config),
            ("portal-settings.toml", &overlay),
        ]
        .map(|(name, path)| {
            let text = std::fs::read_to_string(path);
            let text = text.unwrap_or_else(|error| format!("# not there: {error}\n"));
            (name, without_secrets(&text))
        })
    }

    /// Writes the settings if the whole configuration can be used with them, and says which sections
    /// wait for a restart.
    pub(super) fn apply(
        &self,
        settings: &[(&'static str, Setting)],
    ) -> Result<Vec<&'static str>, String> {
        let plain = |error: anyhow::Error| format!("{error:#}");
        let state_dir = &self.started.gateway.state_dir;
        let candidate = state_dir.join(CANDIDATE);
        let text = toml::to_string_pretty(&nested(settings)).map_err(|error| error.to_string())?;
        web::write_atomically(&candidate, text.as_bytes()).map_err(plain)?;
        let judged = Config::load_over(&self.config, Some(&candidate))
            .map_err(|error| error.to_string())
            .and_then(|new| Settings::from_config(&new).map_err(plain).map(|_| new));
        let placed = judged.and_then(|new| {
            let place = state_dir.join(OVERLAY);
            std::fs::rename(&candidate, place).map_err(|error| error.to_string())?;
            Ok(new)
        });
        let new = placed.inspect_err(|_| {
            // What is left of it is only ever written over.
            let _ = std::fs::remove_file(&candidate);
        })?;
        self.changed.notify_one();
        Ok(self.started.needs_restart(&new))
    }
}

/// Words in the names of keys whose values are secrets; files that hold secrets may be named.
const SECRET_WORDS: [&str; 5] = ["password", "secret", "token", "fragment", "hash"];

/// A configuration with the values of secrets taken out. What is no TOML is left out as a whole.
fn without_secrets(text: &str) -> String {
    let Ok(mut table) = text.parse::<toml::Table>() else {
        return "# cannot be read as TOML, and is left out\n".to_owned();
    };
    hide(&mut table);
    toml::to_string_pretty(&table).unwrap_or_default()
}

fn hide(table: &mut toml::Table) {
    for (key, value) in table.iter_mut() {
        let is_secret = SECRET_WORDS.iter().any(|word| key.contains(word));
        match value {
            toml::Value::Table(table) => hide(table),
            toml::Value::Array(items) => {
                let tables = items.iter_mut().filter_map(toml::Value::as_table_mut);
                tables.for_each(hide);
            }
            other if is_secret && !key.ends_with("-file") => {
                *other = toml::Value::String("(not shown)".to_owned());
            }
            _ => {}
        }
    }
}

/// `[("pbx.address", …)]` as tables within tables.
fn nested(settings: &[(&'static str, Setting)]) -> toml::Table {
    let mut root = toml::Table::new();
    for (key, setting) in settings {
        let value = match setting {
            Setting::Text(text) => toml::Value::String(text.clone()),
            Setting::Flag(flag) => toml::Value::Boolean(*flag),
            Setting::Number(number) => {
                toml::Value::Integer(i64::try_from(*number).unwrap_or(i64::MAX))
            }
            Setting::List(items) => {
                toml::Value::Array(items.iter().cloned().map(toml::Value::String).collect())
            }
            Setting::Tables(tables) => {
                let text = |(key, text): &(&str, String)| {
                    ((*key).to_owned(), toml::Value::String(text.clone()))
                };
                let tables = tables
                    .iter()
                    .map(|table| toml::Value::Table(table.iter().map(text).collect()));
                toml::Value::Array(tables.collect())
            }
        };
        insert(&mut root, key, value);
    }
    root
}

fn insert(table: &mut toml::Table, key: &str, value: toml::Value) {
    let Some((section, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    let entry = table
        .entry(section)
        .or_insert_with(|| toml::Table::new().into());
    if let toml::Value::Table(section) = entry {
        insert(section, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let shown = without_secrets(
            "a = 1\n[pbx]\npassword-file = \"f\"\nlogin-fragment = \"<x>s3cret</x>\"\n\
             [[users]]\nsip-password = \"s3cret\"\nname = \"anna\"\n[t]\ntoken = { a = \"b\" }\n",
        );
        assert!(!shown.contains("s3cret"), "{shown}");
        for kept in ["a = 1", "password-file = \"f\"", "anna"] {
            assert!(shown.contains(kept), "{shown}");
        }
        assert!(without_secrets("password = ").starts_with("# cannot"));
    }

    const FILE: &str = r#"
[gateway]
account-id = "a"
site-id = "s"
gateway-id = "g"
state-dir = "STATE"
[pbx]
address = "192.0.2.1:8882"
devices = ["2000-2009"]
[uplink]
url = "wss://far-end.example/gateway/v1/channel"
token-file = "STATE/token"
ca-file = "STATE/portal/tls.crt"
"#;

    fn file(dir: &Path) -> SettingsFile {
        web::ensure_certificate(&dir.join("portal"), &[], &[], 1_790_000_000_000).unwrap();
        std::fs::write(dir.join("token"), "secret").unwrap();
        let config = dir.join("ringway.toml");
        let text = FILE.replace("STATE", &dir.display().to_string());
        std::fs::write(&config, text).unwrap();
        SettingsFile::new(&config, &Config::load(&config).unwrap())
    }

    #[test]
    fn settings_count_over_the_file_and_name_what_waits() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let devices = Setting::List(vec!["3000-3009".to_owned(), "3100".to_owned()]);
        assert_eq!(
            file.apply(&[("pbx.devices", devices)]).unwrap(),
            Vec::<&str>::new()
        );
        let address = Setting::Text("192.0.2.2:8882".to_owned());
        assert_eq!(file.apply(&[("pbx.address", address)]).unwrap(), ["pbx"]);
        let loaded = Config::load(&file.config).unwrap();
        assert_eq!(loaded.pbx.address.0, "192.0.2.2:8882");
        // Settings are laid over as a whole: what is no longer among them is as in the file again.
        assert_eq!(loaded.extensions().len(), 10);
        let keys = ["pbx.address", "pbx.devices", "pbx.user"];
        let values = file.configured(&keys);
        let expect = [
            ("pbx.address", "192.0.2.2:8882"),
            ("pbx.devices", "2000-2009"),
        ];
        assert_eq!(values, expect.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn keys_with_several_dots_are_tables_within_tables() {
        let text = |text: &str| Setting::Text(text.to_owned());
        let settings = [
            ("sip.softclients.file", text("/f")),
            ("sip.domain", text("d.example")),
            ("sip.softclients.registrar", text("tcp:192.0.2.1:5060")),
        ];
        let expect = r#"
[sip]
domain = "d.example"
[sip.softclients]
file = "/f"
registrar = "tcp:192.0.2.1:5060"
"#;
        assert_eq!(nested(&settings), expect.parse::<toml::Table>().unwrap());
    }

    #[test]
    fn destination_codes_and_the_call_through_number_become_those_of_the_gateway() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let row = |code: &str, to: &str| vec![("code", code.to_owned()), ("to", to.to_owned())];
        let list =
            |items: &[&str]| Setting::List(items.iter().map(|it| (*it).to_owned()).collect());
        let rows = vec![row("71xx", "application:ivr"), row("7000", "echo")];
        let mut settings = vec![
            ("sip.listen", list(&["tcp:127.0.0.1:5060"])),
            ("sip.domain", Setting::Text("d.example".to_owned())),
            ("sip.trunk.targets", list(&["tcp:192.0.2.1:5060"])),
            ("sip.trunk.authenticate", Setting::Flag(false)),
            ("sip.destinations", Setting::Tables(rows)),
            ("sip.call-through.number", Setting::Text("7900".to_owned())),
            ("sip.call-through.targets", list(&["tcp:192.0.2.2:5060"])),
        ];
        assert_eq!(file.apply(&settings).unwrap(), ["sip"]);
        let loaded = Config::load(&file.config).unwrap();
        let sip = loaded.sip.unwrap();
        let codes: Vec<String> = sip.codes().map(|code| code.to_string()).collect();
        let expect = [
            "71xx goes to the application ivr",
            "7000 goes to the echo",
            "7900 goes to the second PBX target",
        ];
        assert_eq!(codes, expect);
        let values = file.configured(&["sip.destinations", "sip.call-through.number"]);
        let expect = [
            ("sip.destinations", "71xx application:ivr\n7000 echo"),
            ("sip.call-through.number", "7900"),
        ];
        assert_eq!(values, expect.map(|(key, value)| (key, value.to_owned())));
        // The gateway judges them together: one code before another that takes all its calls.
        let rows = vec![row("7xxx", "echo"), row("7000", "echo")];
        settings[4] = ("sip.destinations", Setting::Tables(rows));
        assert!(file.apply(&settings).unwrap_err().contains("never reached"));
    }

    #[test]
    fn settings_that_cannot_be_used_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let bad = [
            ("pbx.tls", Setting::Flag(true), "pbx.ca-file"),
            (
                "pbx.address",
                Setting::Text("nonsense".to_owned()),
                "pbx.address",
            ),
            (
                "uplink.token-file",
                Setting::Text("/nowhere/token".to_owned()),
                "/nowhere/token",
            ),
            ("pbx.unheard-of", Setting::Number(1), "unheard-of"),
            ("sip.policy.international", Setting::Flag(true), "sip"),
        ];
        for (key, value, named) in bad {
            let said = file.apply(&[(key, value)]).unwrap_err();
            assert!(said.contains(named), "{said}");
            assert!(!dir.path().join(OVERLAY).exists(), "{key}");
            assert!(!dir.path().join(CANDIDATE).exists(), "{key}");
        }
    }
}
