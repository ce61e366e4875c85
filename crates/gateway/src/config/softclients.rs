//! The softphone users' file: who registers at the PBX, and with what. It holds secrets, so that nothing
//! of a value is ever repeated in an error; file, line and key are.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ::sip::digest::Login;
use serde::Deserialize;
use toml::Spanned;

use super::{ConfigError, read_secret};

/// Users in the file: what one gateway registers.
pub const SOFTCLIENTS_MAX: usize = 5000;
/// Longest file, in bytes: 800 for each user.
const FILE_LEN_MAX: u64 = 4_000_000;
/// Longest user name or password.
const WORD_LEN_MAX: usize = 128;
/// Longest extension, in digits.
const EXTENSION_LEN_MAX: usize = 15;

/// One softphone user: an extension of the PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftclientUser {
    /// The extension.
    pub extension: Box<str>,
    /// Name and password at the registrar.
    pub login: Login,
    /// `urn:uuid:…`: which telephone of the user this one is (RFC 5626 §4.1).
    pub instance: Box<str>,
    /// User part of the contact: the same after every start, and not to be guessed without the password.
    pub contact_user: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Users {
    #[serde(default)]
    softclient: Vec<Spanned<Entry>>,
}

/// Any value is taken first: serde's own words about a wrong one repeat it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    extension: Option<Spanned<toml::Value>>,
    user: Option<Spanned<toml::Value>>,
    password: Option<Spanned<toml::Value>>,
    password_file: Option<Spanned<toml::Value>>,
    instance_id: Option<Spanned<toml::Value>>,
}

/// Reads the file. `names` tells apart instances that have no `instance-id` of their own: the domain, and
/// whatever else makes this gateway unlike others.
///
/// # Errors
/// A sentence with file, line, key and what is allowed; never a value.
pub fn read_softclients(path: &Path, names: &str) -> Result<Vec<SoftclientUser>, ConfigError> {
    let text = read(path)?;
    let users = toml::from_str::<Users>(&text.body).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        text.wrong(at, error.message())
    })?;
    let mut taken: BTreeMap<Box<str>, usize> = BTreeMap::new();
    let mut all = Vec::with_capacity(users.softclient.len());
    for entry in users.softclient {
        let at = entry.span().start;
        if all.len() == SOFTCLIENTS_MAX {
            return Err(text.wrong(
                at,
                &format!("one user too many: at most {SOFTCLIENTS_MAX} are allowed"),
            ));
        }
        let user = text.user(entry, names)?;
        if let Some(other) = taken.insert(user.extension.clone(), at) {
            let line = text.line(other);
            return Err(text.wrong(
                at,
                &format!("extension: taken already, in line {line}; each may stand there once"),
            ));
        }
        all.push(user);
    }
    Ok(all)
}

/// A file as it was read.
struct Text {
    file: String,
    body: String,
    /// Others than owner and group may read it.
    is_open: bool,
}

fn read(path: &Path) -> Result<Text, ConfigError> {
    let file = path.display().to_string();
    let problem = |what: &dyn fmt::Display| ConfigError::File(format!("{file}: {what}"));
    let opened = File::open(path).map_err(|error| problem(&error))?;
    let mode = opened.metadata().map_err(|error| problem(&error))?;
    let is_open = mode.permissions().mode() & 0o004 != 0;
    let mut body = String::new();
    let len = opened
        .take(FILE_LEN_MAX + 1)
        .read_to_string(&mut body)
        .map_err(|error| problem(&error))?;
    if len as u64 > FILE_LEN_MAX {
        return Err(problem(&format_args!(
            "longer than the {FILE_LEN_MAX} bytes that are allowed"
        )));
    }
    Ok(Text {
        file,
        body,
        is_open,
    })
}

impl Text {
    fn line(&self, at: usize) -> usize {
        let before = self.body.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn wrong(&self, at: usize, problem: &str) -> ConfigError {
        ConfigError::File(format!("{}: line {}: {problem}", self.file, self.line(at)))
    }

    fn user(&self, entry: Spanned<Entry>, names: &str) -> Result<SoftclientUser, ConfigError> {
        let at = entry.span().start;
        let entry = entry.into_inner();
        let allowed = format!("1 to {EXTENSION_LEN_MAX} digits");
        let extension = self.text("extension", entry.extension, &allowed, |text| {
            let fits = (1..=EXTENSION_LEN_MAX).contains(&text.len());
            fits && text.bytes().all(|byte| byte.is_ascii_digit())
        })?;
        let extension = extension
            .ok_or_else(|| self.wrong(at, &format!("extension: missing; {allowed} are allowed")))?;
        let allowed = format!("1 to {WORD_LEN_MAX} characters without control characters");
        let is_word = |text: &str| {
            (1..=WORD_LEN_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        let user = self.text("user", entry.user, &allowed, is_word)?;
        let password = self.text("password", entry.password, &allowed, is_word)?;
        let file = self.text("password-file", entry.password_file, "a path", |text| {
            !text.is_empty()
        })?;
        let password = match (password, file) {
            (Some(_), None) if self.is_open => {
                let problem = "password: everybody may read this file; take that right away (chmod \
                               o-r) or name a password-file";
                return Err(self.wrong(at, problem));
            }
            (Some(password), None) => password,
            (None, Some(file)) => read_secret(&PathBuf::from(file))?,
            (Some(_), Some(_)) | (None, None) => {
                let problem = "password or password-file: one of the two has to be there";
                return Err(self.wrong(at, problem));
            }
        };
        let allowed = "urn:uuid: and a UUID, such as \
                       \"urn:uuid:00000000-0000-4000-8000-000000002001\"";
        let instance = self.text("instance-id", entry.instance_id, allowed, |text| {
            let uuid = text.strip_prefix("urn:uuid:");
            uuid.is_some_and(|uuid| uuid.len() == 36 && uuid::Uuid::try_parse(uuid).is_ok())
        })?;
        let instance = instance.unwrap_or_else(|| derived(names, &extension));
        let contact = hash("contact", names, &format!("{extension}\n{password}"));
        let contact_user = format!("{extension}-{}", contact.simple());
        Ok(SoftclientUser {
            contact_user: contact_user.into(),
            login: Login {
                username: user.unwrap_or_else(|| extension.clone()),
                password,
            },
            extension: extension.into(),
            instance: instance.into(),
        })
    }

    fn text(
        &self,
        key: &str,
        value: Option<Spanned<toml::Value>>,
        allowed: &str,
        fits: impl FnOnce(&str) -> bool,
    ) -> Result<Option<String>, ConfigError> {
        let Some(value) = value else { return Ok(None) };
        let at = value.span().start;
        match value.into_inner() {
            toml::Value::String(text) if fits(&text) => Ok(Some(text)),
            _ => Err(self.wrong(at, &format!("{key}: not {allowed}"))),
        }
    }
}

/// An instance id that is the same after every start (RFC 5626 §4.1 wants it kept).
fn derived(names: &str, extension: &str) -> String {
    format!("urn:uuid:{}", hash("softclient", names, extension))
}

/// The beginning of a hash, as a UUID of version 8 (RFC 9562 §5.8).
fn hash(what: &str, names: &str, of: &str) -> uuid::Uuid {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(format!("ringway {what}\n{names}\n{of}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs::Permissions;

    use super::*;

    const GOOD: &str = r#"
[[softclient]]
extension = "2001"
user = "anna"
password = "s3cret-one"

[[softclient]]
extension = "2002"
password = "s3cret-two"
instance-id = "urn:uuid:00000000-0000-4000-8000-000000002002"
"#;

    fn load_with(text: &str, mode: u32) -> Result<Vec<SoftclientUser>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("softclients.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "from-a-file\n").unwrap();
        read_softclients(&path, "pbx.example").map_err(|error| {
            let error = error.to_string();
            error.replace(&dir.path().display().to_string(), "DIR")
        })
    }

    fn load(text: &str) -> Result<Vec<SoftclientUser>, String> {
        load_with(text, 0o600)
    }

    #[test]
    fn users_have_a_name_a_password_and_an_instance_that_stays() {
        let users = load(GOOD).unwrap();
        let names: Vec<_> = users.iter().map(|it| it.login.username.as_str()).collect();
        assert_eq!(names, ["anna", "2002"]);
        assert_eq!(
            &*users[1].instance,
            "urn:uuid:00000000-0000-4000-8000-000000002002"
        );
        assert_eq!(users[0].instance, load(GOOD).unwrap()[0].instance);
        assert!(users[0].instance.starts_with("urn:uuid:"), "{users:?}");
        assert!(!format!("{users:?}").contains("s3cret"), "{users:?}");
    }

    #[test]
    fn a_password_may_stand_in_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "from-a-file\n").unwrap();
        let text = GOOD.replace(
            "password = \"s3cret-one\"",
            &format!("password-file = {:?}", secret.display().to_string()),
        );
        let users = load(&text).unwrap();
        assert_eq!(users[0].login.password, "from-a-file");
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_key_but_without_the_value() {
        let rows: &[(&str, &str, [&str; 3])] = &[
            (
                "\"2001\"",
                "\"20a1\"",
                ["line 3", "extension", "1 to 15 digits"],
            ),
            ("\"2001\"", "2001", ["line 3", "extension", "digits"]),
            (
                "extension = \"2001\"",
                "",
                ["line 2", "extension", "missing"],
            ),
            ("\"2002\"", "\"2001\"", ["line 7", "extension", "in line 2"]),
            ("\"anna\"", "\"\"", ["line 4", "user", "1 to 128"]),
            (
                "\"s3cret-one\"",
                "537731",
                ["line 5", "password", "characters"],
            ),
            ("\"s3cret-one\"", "\"s3cret", ["line 5", "", ""]),
            (
                "password = \"s3cret-one\"",
                "",
                ["line 2", "password-file", "one of"],
            ),
            (
                "password = \"s3",
                "pasword = \"s3",
                ["line", "pasword", "expected one of"],
            ),
            (
                "urn:uuid:",
                "uuid:",
                ["line 10", "instance-id", "urn:uuid:"],
            ),
            (
                "password = \"s3cret-one\"",
                "password-file = \"/nowhere/at/all\"",
                ["/nowhere/at/all", "No such file", ""],
            ),
        ];
        for (what, by, wanted) in rows {
            assert!(GOOD.contains(what), "{what}");
            let error = load(&GOOD.replacen(what, by, 1)).unwrap_err();
            for word in wanted {
                assert!(error.contains(word), "{what} -> {by}: {word:?} in {error}");
            }
            assert!(!error.contains("s3cret"), "{error}");
            assert!(!error.contains("537731"), "{error}");
        }
    }

    #[test]
    fn passwords_that_everybody_may_read_are_not_taken() {
        let error = load_with(GOOD, 0o644).unwrap_err();
        assert!(error.contains("chmod o-r"), "{error}");
    }

    #[test]
    fn one_user_more_than_allowed_is_refused_with_the_limit() {
        let mut text = String::new();
        for number in 0..SOFTCLIENTS_MAX {
            writeln!(
                text,
                "[[softclient]]\nextension = \"{number:05}\"\npassword = \"x\""
            )
            .unwrap();
        }
        assert_eq!(load(&text).unwrap().len(), SOFTCLIENTS_MAX);
        text.push_str("[[softclient]]\nextension = \"99999\"\npassword = \"x\"\n");
        let error = load(&text).unwrap_err();
        assert!(
            error.contains("line 15001") && error.contains("at most 5000"),
            "{error}"
        );
    }
}
