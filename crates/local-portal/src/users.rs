//! The users: who they are, what they may use, and the passwords of their softphones at the PBX, as one
//! file that is written whole or not at all. A password goes in and is read by the gateway alone.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::wizard::Problem;

mod directory;

pub(crate) use directory::Directory;

/// Users that there may be: what one gateway registers.
pub(crate) const USERS_MAX: usize = 5_000;
/// Longest e-mail address, and its part before the `@` (RFC 5321 §4.5.3.1).
const EMAIL_LEN_MAX: usize = 254;
/// Longest text of a user that was not taken, in characters.
const KEPT_LEN_MAX: usize = 100;
const MAILBOX_LEN_MAX: usize = 64;
/// Longest first or last name, in characters.
const NAME_LEN_MAX: usize = 64;
/// Longest extension, in digits.
const EXTENSION_LEN_MAX: usize = 15;
/// Longest password at the registrar.
const PASSWORD_LEN_MAX: usize = 128;

/// What a user is at the far end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UserRole {
    /// Uses the services.
    #[default]
    User,
    /// Also looks after the account.
    AccountAdministrator,
}

impl UserRole {
    pub(crate) const ALL: [Self; 2] = [Self::User, Self::AccountAdministrator];

    /// Name; its text is `user-role-…`.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::AccountAdministrator => "account-administrator",
        }
    }

    pub(crate) fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }
}

/// A softphone's password: written to files of the gateway, shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(Box<str>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(not shown)")
    }
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    /// Number at the PBX; nobody else has it.
    pub(crate) extension: String,
    /// Nobody else has it, however it is written.
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) role: UserRole,
    /// Whether there is a softphone client; each user has to have one.
    pub(crate) softphone: bool,
    pub(crate) meetings: bool,
    /// Without one the softphone does not register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sip_password: Option<Password>,
    /// Counts changes, so that two who change at once find out.
    pub(crate) version: u64,
}

impl User {
    /// First and last name, as far as there are.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
            .trim()
            .to_owned()
    }

    /// For the audit log.
    pub(crate) fn summary(&self) -> String {
        let services = if self.meetings {
            "softphone, meetings"
        } else {
            "softphone"
        };
        let role = self.role.id();
        let (extension, email, name) = (&self.extension, &self.email, self.name());
        format!("{extension}, {email}, {name}, {role}, {services}")
    }

    /// What a search looks through, in small letters.
    fn searched(&self) -> String {
        format!("{}\n{}\n{}", self.extension, self.email, self.name()).to_lowercase()
    }

    /// Numbers in the order of people.
    fn key(&self) -> (usize, String) {
        (self.extension.len(), self.extension.clone())
    }
}

/// A user as somebody typed or sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Draft {
    pub(crate) extension: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) role: String,
    pub(crate) softphone: bool,
    pub(crate) meetings: bool,
    /// None leaves it as it is. It is never kept with a user that was not taken.
    #[serde(skip)]
    pub(crate) sip_password: Option<Password>,
}

impl Draft {
    /// An empty password is none.
    pub(crate) fn password(text: &str) -> Option<Password> {
        (!text.is_empty()).then(|| Password(text.into()))
    }

    pub(crate) fn of(user: &User) -> Self {
        Self {
            extension: user.extension.clone(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            role: user.role.id().to_owned(),
            softphone: user.softphone,
            meetings: user.meetings,
            sip_password: None,
        }
    }

    /// Every reason for which this is no user, others left aside.
    fn refusals(&self) -> Vec<Refusal> {
        let text = |name: &str| {
            name.chars().count() <= NAME_LEN_MAX && !name.chars().any(char::is_control)
        };
        let password = self.sip_password.as_ref().is_none_or(|Password(text)| {
            text.len() <= PASSWORD_LEN_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        });
        let named = !(self.first_name.is_empty() && self.last_name.is_empty());
        let max = || vec![("max", NAME_LEN_MAX.to_string())];
        let problem = |id, limits| Problem { id, limits };
        let rules = [
            (is_email(&self.email), "email", "error-user-email", vec![]),
            (
                is_extension(&self.extension),
                "extension",
                "error-user-extension",
                vec![],
            ),
            (named, "first-name", "error-user-name", vec![]),
            (text(&self.first_name), "first-name", "error-text", max()),
            (text(&self.last_name), "last-name", "error-text", max()),
            (
                self.role.is_empty() || UserRole::of(&self.role).is_some(),
                "role",
                "error-choice",
                vec![],
            ),
            (self.softphone, "softphone", "error-user-softphone", vec![]),
            (password, "sip-password", "error-user-password", vec![]),
        ];
        let broken = rules.into_iter().filter(|(holds, ..)| !holds);
        broken
            .map(|(_, field, id, limits)| Refusal {
                field,
                problem: problem(id, limits),
            })
            .collect()
    }

    /// What is kept of one that was not taken: enough to find it again, without its password.
    fn remains(&self) -> Self {
        let short = |text: &str| text.trim().chars().take(KEPT_LEN_MAX).collect::<String>();
        Self {
            extension: short(&self.extension),
            email: short(&self.email),
            first_name: short(&self.first_name),
            last_name: short(&self.last_name),
            role: short(&self.role),
            softphone: self.softphone,
            meetings: self.meetings,
            sip_password: None,
        }
    }

    /// Extension and address in small letters.
    fn key(&self) -> (String, String) {
        (self.extension.clone(), self.email.to_lowercase())
    }

    /// First and last name, as far as there are.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
            .trim()
            .to_owned()
    }

    /// Spaces around what was typed are nobody's intention.
    fn trimmed(&self) -> Self {
        Self {
            extension: self.extension.trim().to_owned(),
            email: self.email.trim().to_owned(),
            first_name: self.first_name.trim().to_owned(),
            last_name: self.last_name.trim().to_owned(),
            role: self.role.trim().to_owned(),
            ..self.clone()
        }
    }
}

/// One reason for which a user was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which field; empty for none of them.
    pub(crate) field: &'static str,
    pub(crate) problem: Problem,
}

impl Refusal {
    fn new(field: &'static str, id: &'static str) -> Self {
        let problem = Problem::new(id);
        Self { field, problem }
    }

    fn taken(field: &'static str, id: &'static str, by: &User) -> Self {
        let limits = vec![("who", format!("{} ({})", by.name(), by.extension))];
        let problem = Problem { id, limits };
        Self { field, problem }
    }
}

/// What became of a user that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Put {
    Added,
    /// What it was before.
    Changed(Box<User>),
    Unchanged,
}

/// Why a user was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotPut {
    /// Every reason.
    Refused(Vec<Refusal>),
    /// Somebody else has changed or removed it meanwhile.
    Conflict,
}

/// All users.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users {
    /// Counts changes.
    revision: u64,
    by_extension: BTreeMap<String, User>,
    /// Extension by e-mail address in small letters.
    emails: BTreeMap<String, String>,
    /// What a search looks through, short numbers first.
    searched: BTreeMap<(usize, String), String>,
    /// Those that programs and files brought and that were not taken, by extension and address; at most
    /// [`USERS_MAX`], later ones are forgotten.
    not_taken: BTreeMap<(String, String), Draft>,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.by_extension.len()
    }

    pub(crate) fn get(&self, extension: &str) -> Option<&User> {
        self.by_extension.get(extension)
    }

    /// Users without a password at the registrar.
    pub(crate) fn silent(&self) -> usize {
        let all = self.by_extension.values();
        all.filter(|user| user.sip_password.is_none()).count()
    }

    pub(crate) fn extensions(&self) -> impl Iterator<Item = &str> {
        self.by_extension.keys().map(String::as_str)
    }

    /// Those that have `words` in their number, name or address, short numbers first.
    pub(crate) fn find(&self, words: &str) -> Vec<&User> {
        let words = words.trim().to_lowercase();
        let all = self.searched.iter();
        all.filter(|(_, text)| text.contains(&words))
            .filter_map(|((_, extension), _)| self.get(extension))
            .collect()
    }

    /// Takes a new user.
    ///
    /// # Errors
    /// With every reason against it.
    pub(crate) fn add(&mut self, draft: &Draft) -> Result<Put, NotPut> {
        self.put(None, draft)
    }

    /// Changes the user that had that extension; `version` is what its editor saw.
    ///
    /// # Errors
    /// With every reason against it, or when somebody else was first.
    pub(crate) fn change(
        &mut self,
        extension: &str,
        version: Option<u64>,
        draft: &Draft,
    ) -> Result<Put, NotPut> {
        let was = self.get(extension).cloned().ok_or(NotPut::Conflict)?;
        if version.is_some_and(|seen| seen != was.version) {
            return Err(NotPut::Conflict);
        }
        self.put(Some(was), draft)
    }

    /// Keeps what was not taken, to be shown with the reasons.
    pub(crate) fn keep_not_taken(&mut self, draft: &Draft) {
        let draft = draft.remains();
        if self.not_taken.len() < USERS_MAX || self.not_taken.contains_key(&draft.key()) {
            self.revision += 1;
            self.not_taken.insert(draft.key(), draft);
        }
    }

    /// Forgets all that were not taken.
    pub(crate) fn forget_not_taken(&mut self) -> usize {
        self.revision += 1;
        std::mem::take(&mut self.not_taken).len()
    }

    pub(crate) fn not_taken(&self) -> usize {
        self.not_taken.len()
    }

    /// Those that were not taken and have `words` in their number, name or address.
    pub(crate) fn find_not_taken(&self, words: &str) -> Vec<&Draft> {
        let words = words.trim().to_lowercase();
        let fits = |draft: &&Draft| {
            words.is_empty()
                || [&*draft.extension, &*draft.email, &*draft.name()]
                    .iter()
                    .any(|text| text.to_lowercase().contains(&words))
        };
        self.not_taken.values().filter(fits).collect()
    }

    /// Every reason for which a user is not taken as it is now.
    pub(crate) fn reasons(&self, draft: &Draft) -> Vec<Refusal> {
        self.against(None, draft)
    }

    fn against(&self, was: Option<&User>, draft: &Draft) -> Vec<Refusal> {
        let mut refusals = draft.refusals();
        let is_other = |user: &&User| was.is_none_or(|was| was.extension != user.extension);
        if let Some(by) = self.get(&draft.extension).filter(is_other) {
            refusals.push(Refusal::taken(
                "extension",
                "error-user-extension-taken",
                by,
            ));
        }
        let email = draft.email.to_lowercase();
        let by = self
            .emails
            .get(&email)
            .and_then(|extension| self.get(extension));
        if let Some(by) = by.filter(is_other) {
            refusals.push(Refusal::taken("email", "error-user-email-taken", by));
        }
        if was.is_none() && self.len() >= USERS_MAX {
            let mut refusal = Refusal::new("", "error-users-full");
            refusal.problem.limits = vec![("max", USERS_MAX.to_string())];
            refusals.push(refusal);
        }
        refusals
    }

    fn put(&mut self, was: Option<User>, draft: &Draft) -> Result<Put, NotPut> {
        let draft = draft.trimmed();
        let refusals = self.against(was.as_ref(), &draft);
        if !refusals.is_empty() {
            return Err(NotPut::Refused(refusals));
        }
        let mut user = User {
            role: UserRole::of(&draft.role).unwrap_or_default(),
            extension: draft.extension,
            email: draft.email,
            first_name: draft.first_name,
            last_name: draft.last_name,
            softphone: draft.softphone,
            meetings: draft.meetings,
            sip_password: draft.sip_password,
            // Nobody who had the extension before had this version.
            version: self.revision + 1,
        };
        let Some(was) = was else {
            self.insert(user);
            return Ok(Put::Added);
        };
        user.sip_password = user.sip_password.or_else(|| was.sip_password.clone());
        user.version = was.version;
        if user == was {
            return Ok(Put::Unchanged);
        }
        user.version += 1;
        self.remove(&was.extension);
        self.insert(user);
        Ok(Put::Changed(Box::new(was)))
    }

    fn insert(&mut self, user: User) {
        self.revision += 1;
        let email = user.email.to_lowercase();
        let is_other = |key: &(String, String)| key.0 != user.extension && key.1 != email;
        self.not_taken.retain(|key, _| is_other(key));
        self.emails.insert(email, user.extension.clone());
        self.searched.insert(user.key(), user.searched());
        self.by_extension.insert(user.extension.clone(), user);
    }

    /// Takes a user away.
    pub(crate) fn remove(&mut self, extension: &str) -> Option<User> {
        let user = self.by_extension.remove(extension)?;
        self.emails.remove(&user.email.to_lowercase());
        self.searched.remove(&user.key());
        self.revision += 1;
        Some(user)
    }

    /// Who registers at the PBX, as the gateway reads it: TOML, whose texts are written as JSON's are.
    pub(crate) fn softclients(&self) -> String {
        let mut text =
            String::from("# Written by the portal from its users. What is changed here is lost.\n");
        for user in self.by_extension.values() {
            let Some(Password(password)) = &user.sip_password else {
                continue;
            };
            let password = serde_json::Value::from(&**password);
            let extension = &user.extension;
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                "\n[[softclient]]\nextension = \"{extension}\"\npassword = {password}\n"
            );
        }
        text
    }
}

fn is_extension(text: &str) -> bool {
    (1..=EXTENSION_LEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address that mail can be sent to, without the forms that nobody has.
fn is_email(text: &str) -> bool {
    let Some((mailbox, domain)) = text.split_once('@') else {
        return false;
    };
    let odd =
        |char: char| char.is_whitespace() || char.is_control() || "@,;:<>()[]\\\"".contains(char);
    let is_label = |label: &str| {
        let inner = |char: char| char.is_alphanumeric() || char == '-';
        (1..=63).contains(&label.len()) && label.chars().all(inner)
    };
    text.len() <= EMAIL_LEN_MAX
        && (1..=MAILBOX_LEN_MAX).contains(&mailbox.len())
        && !mailbox.chars().any(odd)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
