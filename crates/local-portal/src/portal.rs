//! The portal's own state: who may come in, what they typed, what they did.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;

use crate::audit::{Audit, Line};
use crate::book::{Account, Book, Pages, Role};
use crate::password;
use crate::sessions::{Sessions, Tries};
use crate::users::{Directory, Users};
use crate::view::{Applied, Call, Check, GatewayView, Health, Setting};

/// File of the set-up code, there until it is used.
const SETUP_CODE_FILE: &str = "setup-code";
/// Passwords hashed at once: each takes 19 MiB.
const HASHING_MAX: usize = 2;
/// What is shown live is at most this old.
pub(crate) const SNAPSHOT_AGE_MAX: Duration = Duration::from_millis(500);
/// What the checks found is kept this long, so that several pages do not ask the peers anew.
const CHECKS_AGE_MAX: Duration = Duration::from_secs(2);
/// Calls on the home page.
const CALLS_MAX: usize = 50;

/// The portal's own state.
pub struct Portal {
    pub(crate) view: Arc<dyn GatewayView>,
    pub(crate) identity: Arc<web::Identity>,
    dir: PathBuf,
    book: Mutex<Book>,
    users: Mutex<Directory>,
    audit: Mutex<Audit>,
    sessions: Mutex<Sessions>,
    tries: Mutex<Tries>,
    hashing: Semaphore,
    /// When each program was here last, since the start.
    used: Mutex<BTreeMap<String, String>>,
    seen: AsyncMutex<Option<(Instant, Arc<Seen>)>>,
    checked: AsyncMutex<Option<(Instant, Arc<Vec<Check>>)>>,
    pub(crate) pm_checked: AsyncMutex<Option<(Instant, Check)>>,
    /// Taken while users and devices of the PBX are compared.
    pub(crate) syncing: Arc<AsyncMutex<()>>,
}

impl std::fmt::Debug for Portal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Portal")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// What the live pages show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) health: Health,
    pub(crate) calls: Vec<Call>,
    pub(crate) calls_in_all: usize,
}

/// Who does something, from where.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) from: String,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotIn {
    /// Wrong code, name or password.
    Wrong,
    /// Too many tries.
    Wait(Duration),
    /// Somebody else was first.
    Claimed,
}

impl Portal {
    /// Opens what is kept in `dir` (made if it is not there). As long as nobody has claimed the box
    /// there is a setup code, made once.
    ///
    /// # Errors
    /// When the directory or its files cannot be read or written.
    pub fn open(
        dir: &Path,
        identity: Arc<web::Identity>,
        view: Arc<dyn GatewayView>,
    ) -> anyhow::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(dir)
            .with_context(|| format!("create {}", dir.display()))?;
        let portal = Self {
            view,
            identity,
            book: Mutex::new(Book::open(&dir.join("portal.json"))?),
            users: Mutex::new(Directory::open(&dir.join("users.json"))?),
            audit: Mutex::new(Audit::open(&dir.join("audit.jsonl"))?),
            dir: dir.to_owned(),
            sessions: Mutex::default(),
            tries: Mutex::default(),
            hashing: Semaphore::new(HASHING_MAX),
            used: Mutex::default(),
            seen: AsyncMutex::default(),
            checked: AsyncMutex::default(),
            pm_checked: AsyncMutex::default(),
            syncing: Arc::default(),
        };
        let code = dir.join(SETUP_CODE_FILE);
        if portal.is_claimed() {
            remove(&code)?;
        } else if !code.exists() {
            web::write_atomically(&code, password::new_setup_code().as_bytes())?;
        }
        Ok(portal)
    }

    /// The code that claims the box whose portal keeps its files in `dir`; none once it is claimed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn setup_code(dir: &Path) -> anyhow::Result<Option<String>> {
        let file = dir.join(SETUP_CODE_FILE);
        match std::fs::read_to_string(&file) {
            Ok(code) => Ok(Some(code)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
        }
    }

    /// Whether somebody has claimed the box.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        !lock(&self.book).pages().accounts.is_empty()
    }

    /// The present time, ISO 8601 UTC to the second.
    pub(crate) fn now(&self) -> String {
        let ms = i64::try_from(self.view.now_ms()).unwrap_or(i64::MAX);
        let stamp = jiff::Timestamp::from_second(ms / 1000).unwrap_or_default();
        stamp.to_string()
    }

    /// The present time, in seconds since 1970.
    pub(crate) fn now_s(&self) -> i64 {
        i64::try_from(self.view.now_ms() / 1000).unwrap_or(i64::MAX)
    }

    /// Makes the first administrator. Who has the code is the owner.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        code: &str,
        name: &str,
        password: &str,
        from: &str,
    ) -> anyhow::Result<Result<(), NotIn>> {
        let now = Instant::now();
        if let Some(wait) = lock(&self.tries).wait("claim", now) {
            return Ok(Err(NotIn::Wait(wait)));
        }
        let Some(right) = Self::setup_code(&self.dir)? else {
            return Ok(Err(NotIn::Claimed));
        };
        let plain = |code: &str| code.replace(['-', ' '], "").to_ascii_uppercase();
        if !web::Secret::new(plain(right.trim())).matches(&plain(code)) {
            lock(&self.tries).failed("claim", now);
            let who = Who {
                name: "-".to_owned(),
                from: from.to_owned(),
            };
            self.note(&who, "claim refused", "", "").await?;
            return Ok(Err(NotIn::Wrong));
        }
        let hash = self.hash(password).await?;
        let account = Account {
            role: Role::Administrator,
            password: hash,
        };
        let name_ = name.to_owned();
        let first = self
            .change(move |pages| {
                if !pages.accounts.is_empty() {
                    return Ok(false);
                }
                pages.accounts.insert(name_, account);
                anyhow::Ok(true)
            })
            .await?;
        if !first {
            return Ok(Err(NotIn::Claimed));
        }
        remove(&self.dir.join(SETUP_CODE_FILE))?;
        let who = Who {
            name: name.to_owned(),
            from: from.to_owned(),
        };
        self.note(&who, "claim", "", name).await?;
        Ok(Ok(()))
    }

    /// Lets somebody in, and gives the session's token. A name that nobody has takes as long as one
    /// that somebody has.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        name: &str,
        password: &str,
        from: &str,
    ) -> anyhow::Result<Result<String, NotIn>> {
        let now = Instant::now();
        let key = format!("{name}@{from}");
        // An address may err for several names, but not for any number of them.
        let waits = {
            let mut tries = lock(&self.tries);
            tries.wait(&key, now).or_else(|| tries.wait(from, now))
        };
        if let Some(wait) = waits {
            return Ok(Err(NotIn::Wait(wait)));
        }
        let known = lock(&self.book)
            .pages()
            .accounts
            .get(name)
            .map(|it| it.password.clone());
        let is_known = known.is_some();
        let hash = known.unwrap_or_else(|| NOBODYS_HASH.to_owned());
        let (typed, _turn) = (password.to_owned(), self.hashing.acquire().await?);
        let fits = tokio::task::spawn_blocking(move || password::verify(&typed, &hash)).await?;
        let who = Who {
            name: name.to_owned(),
            from: from.to_owned(),
        };
        if !(fits && is_known) {
            lock(&self.tries).failed(&key, now);
            if !is_known {
                lock(&self.tries).failed(from, now);
            }
            let who = Who {
                name: "-".to_owned(),
                ..who
            };
            self.note(&who, "sign-in refused", "", "").await?;
            return Ok(Err(NotIn::Wrong));
        }
        lock(&self.tries).succeeded(&key);
        let token = lock(&self.sessions).begin(name, now);
        self.note(&who, "sign-in", "", "").await?;
        Ok(Ok(token))
    }

    /// Whose session a token is, and what they may do now. `active` keeps the session alive.
    pub(crate) fn session(&self, token: &str, active: bool) -> Option<(String, Role)> {
        let mut sessions = lock(&self.sessions);
        let name = sessions.account(token, active, Instant::now())?.to_owned();
        drop(sessions);
        let role = lock(&self.book).pages().accounts.get(&name)?.role;
        Some((name, role))
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, token: &str) {
        lock(&self.sessions).end(token);
    }

    /// Ends every session of an account.
    pub(crate) fn sign_out_all(&self, account: &str) {
        lock(&self.sessions).end_all(account);
    }

    /// Notes that a program was here.
    pub(crate) fn used(&self, client: &str) {
        lock(&self.used).insert(client.to_owned(), self.now());
    }

    /// When a program was here last, since the start.
    pub(crate) fn last_used(&self, client: &str) -> Option<String> {
        lock(&self.used).get(client).cloned()
    }

    /// A hash for a new password.
    pub(crate) async fn hash(&self, password: &str) -> anyhow::Result<String> {
        let (password, _turn) = (password.to_owned(), self.hashing.acquire().await?);
        tokio::task::spawn_blocking(move || password::hash(&password)).await?
    }

    /// Reads what is kept.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Pages) -> T) -> T {
        read(lock(&self.book).pages())
    }

    /// Changes what is kept, on disk first.
    pub(crate) async fn change<T, E>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Pages) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<anyhow::Error> + Send + 'static,
    {
        let portal = Arc::clone(self);
        tokio::task::spawn_blocking(move || lock(&portal.book).change(change))
            .await
            .map_err(anyhow::Error::from)?
    }

    /// The users as they are now.
    pub(crate) fn users(&self) -> Arc<Users> {
        lock(&self.users).users()
    }

    /// Changes the users, on disk first.
    pub(crate) async fn change_users<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Users) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let portal = Arc::clone(self);
        tokio::task::spawn_blocking(move || lock(&portal.users).change(change)).await?
    }

    /// The file of those who register at the PBX, for the gateway to read.
    pub(crate) fn softclients_path(&self) -> PathBuf {
        self.dir.join("softclients.toml")
    }

    /// Has the gateway take on settings and, where they name it, the users' file; both or neither.
    ///
    /// # Errors
    /// When the users' file cannot be written; inside, what the gateway says against the settings.
    pub(crate) fn apply(
        &self,
        settings: &[(&'static str, Setting)],
    ) -> anyhow::Result<Result<Applied, String>> {
        let named = settings
            .iter()
            .any(|(key, _)| *key == "sip.softclients.file");
        if !named {
            return Ok(self.view.apply(settings));
        }
        let path = self.softclients_path();
        let before = match std::fs::read(&path) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        web::write_atomically(&path, self.users().softclients().as_bytes())?;
        let applied = self.view.apply(settings);
        if applied.is_err() {
            match before {
                Some(before) => web::write_atomically(&path, &before)?,
                None => remove(&path)?,
            }
        }
        Ok(applied)
    }

    /// Puts a line into the audit log, on disk when this returns.
    pub(crate) async fn note(
        self: &Arc<Self>,
        who: &Who,
        what: &str,
        before: &str,
        after: &str,
    ) -> anyhow::Result<()> {
        let note = (what.to_owned(), before.to_owned(), after.to_owned());
        self.note_all(who, vec![note]).await
    }

    /// The same of several things done at once: what, before, after.
    pub(crate) async fn note_all(
        self: &Arc<Self>,
        who: &Who,
        notes: Vec<(String, String, String)>,
    ) -> anyhow::Result<()> {
        let (at, who) = (self.now(), who.clone());
        let line = move |(what, before, after)| Line {
            at: at.clone(),
            who: who.name.clone(),
            from: who.from.clone(),
            what,
            before,
            after,
            previous: String::new(),
        };
        let lines = notes.into_iter().map(line).collect();
        let portal = Arc::clone(self);
        tokio::task::spawn_blocking(move || lock(&portal.audit).append(lines)).await?
    }

    /// Asks the audit log, off the runtime.
    pub(crate) async fn audit<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&Audit) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let portal = Arc::clone(self);
        Ok(tokio::task::spawn_blocking(move || ask(&lock(&portal.audit))).await?)
    }

    /// Keeps a secret in a file of its own, and gives its path; nothing gives the secret out again.
    pub(crate) async fn keep_secret(&self, name: &str, secret: String) -> anyhow::Result<PathBuf> {
        let path = self.secret_path(name);
        let made = path.clone();
        tokio::task::spawn_blocking(move || web::write_atomically(&made, secret.as_bytes()))
            .await??;
        Ok(path)
    }

    /// A secret, to be sent to the peer that it is for; empty where none was typed.
    pub(crate) async fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.secret_path(name);
        let read = move || match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            read => read.with_context(|| format!("read {}", path.display())),
        };
        tokio::task::spawn_blocking(read).await?
    }

    /// Where a secret is.
    pub(crate) fn secret_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("secret-{name}"))
    }

    /// How the gateway is, at most [`SNAPSHOT_AGE_MAX`] old, however many ask.
    pub(crate) async fn seen(self: &Arc<Self>) -> anyhow::Result<Arc<Seen>> {
        let mut kept = self.seen.lock().await;
        if let Some((at, seen)) = &*kept
            && at.elapsed() < SNAPSHOT_AGE_MAX
        {
            return Ok(Arc::clone(seen));
        }
        let portal = Arc::clone(self);
        let look = move || {
            let (calls, calls_in_all) = portal.view.calls(CALLS_MAX);
            Seen {
                health: portal.health(),
                calls,
                calls_in_all,
            }
        };
        let seen = Arc::new(tokio::task::spawn_blocking(look).await?);
        *kept = Some((Instant::now(), Arc::clone(&seen)));
        Ok(seen)
    }

    /// What the checks find, a moment old at most.
    pub(crate) async fn checks(&self) -> Arc<Vec<Check>> {
        let mut kept = self.checked.lock().await;
        if let Some((at, checks)) = &*kept
            && at.elapsed() < CHECKS_AGE_MAX
        {
            return Arc::clone(checks);
        }
        let (mut checks, of_pm) = tokio::join!(self.view.checks(), self.provisioning_check());
        checks.push(self.certificate_check());
        checks.extend(of_pm);
        checks.extend(self.assurance_check());
        let checks = Arc::new(checks);
        *kept = Some((Instant::now(), Arc::clone(&checks)));
        checks
    }
}

/// A hash that no password fits, for names that nobody has.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn remove(file: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// A panic of somebody else must not keep people out: what is kept is only changed as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
