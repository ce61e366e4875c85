//! Reading a scenario: bounded, and each error says where and what is allowed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Act, Atom, Expected, Field, Item, Request, Scenario, Setting, Step, Value};
use crate::command::{Command, ParseCommandError};

/// Most bytes of a file.
pub const FILE_LEN_MAX: usize = 256 * 1024;
/// Most steps of a file.
pub const STEPS_MAX: usize = 2_000;
/// Most lines that one step expects.
const EXPECTED_MAX: usize = 200;
/// Most fields of a message, items of a list and alternatives of a value.
const FIELDS_MAX: usize = 64;
/// Deepest nesting of lists and groups.
pub const NESTING_MAX: usize = 4;
/// Most devices that are monitored.
const MONITORS_MAX: usize = 64;
/// Longest time that one step waits.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ParseScenarioError {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Something else was expected.
    #[error("expected {0}")]
    Expected(&'static str),
    /// No command of the control port.
    #[error(transparent)]
    Command(#[from] ParseCommandError),
    /// Too much of something.
    #[error("more than {0} {1}")]
    TooMany(usize, &'static str),
    /// A line that belongs before the first step.
    #[error("`{0}` belongs before the first step")]
    TooLate(&'static str),
}

const LINE: &str = "title, monitor, set, given, pbx:, client:, wait, or `WHO < MESSAGE`";
const GIVEN: &str = "pbx:, client: or wait behind `given`";
const MESSAGE: &str = "a message's name: letters and digits, a capital first";
const FIELD: &str = "a field: NAME=VALUE";
const VALUE: &str = "a value: text, CALL/DEVICE, a|b, -, [items] or {fields}";

impl FromStr for Scenario {
    type Err = ParseScenarioError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut scenario = Self {
            title: String::new(),
            monitors: Vec::new(),
            settings: Vec::new(),
            steps: Vec::new(),
        };
        if text.len() > FILE_LEN_MAX {
            let problem = Problem::TooMany(FILE_LEN_MAX, "bytes");
            return Err(ParseScenarioError {
                line: 1,
                column: 1,
                problem,
            });
        }
        for (index, line) in text.lines().enumerate() {
            let mut cursor = Cursor { line, at: 0 };
            let read = scenario.read_line(index + 1, &mut cursor);
            read.map_err(|problem| ParseScenarioError {
                line: index + 1,
                column: line.get(..cursor.at).map_or(0, |text| text.chars().count()) + 1,
                problem,
            })?;
        }
        if scenario.title.is_empty() {
            let problem = Problem::Expected("a line `title TEXT`");
            return Err(ParseScenarioError {
                line: 1,
                column: 1,
                problem,
            });
        }
        Ok(scenario)
    }
}

impl Scenario {
    fn read_line(&mut self, line: usize, cursor: &mut Cursor<'_>) -> Result<(), Problem> {
        cursor.skip_space();
        if cursor.is_at_end() || cursor.rest().starts_with(['#', ';']) {
            return Ok(());
        }
        if cursor.eat("title ") {
            self.title = self.header(cursor.rest_of_line(), "title")?;
            return Ok(());
        }
        if cursor.eat("monitor ") {
            let devices = self.header(cursor.words(), "monitor")?;
            self.monitors.extend(devices);
            return at_most(self.monitors.len(), MONITORS_MAX, "monitors");
        }
        if cursor.eat("set ") {
            let words = self.header(cursor.words(), "set")?;
            self.settings.push(Setting { line, words });
            return at_most(self.settings.len(), FIELDS_MAX, "settings");
        }
        if let Some(act) = cursor.act()? {
            let expected = Vec::new();
            self.steps.push(Step {
                line,
                act,
                expected,
            });
            return at_most(self.steps.len(), STEPS_MAX, "steps");
        }
        let expected = cursor.expected(line)?;
        let Some(step) = self.steps.last_mut() else {
            cursor.at = 0;
            return Err(Problem::Expected("a step before what it makes the PBX say"));
        };
        step.expected.push(expected);
        at_most(step.expected.len(), EXPECTED_MAX, "lines of one step")
    }

    fn header<T>(&self, read: T, what: &'static str) -> Result<T, Problem> {
        match self.steps.is_empty() {
            true => Ok(read),
            false => Err(Problem::TooLate(what)),
        }
    }
}

fn at_most(count: usize, limit: usize, what: &'static str) -> Result<(), Problem> {
    match count <= limit {
        true => Ok(()),
        false => Err(Problem::TooMany(limit, what)),
    }
}

/// A place in a line. Problems are those of the place where it stands when they are found.
struct Cursor<'a> {
    line: &'a str,
    /// In bytes, at a character's beginning.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, text: &str) -> bool {
        let eaten = self.rest().starts_with(text);
        if eaten {
            self.at += text.len();
        }
        eaten
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// What stands before `;`, trimmed.
    fn rest_of_line(&mut self) -> String {
        let text = self.take_while(|c| c != ';');
        text.trim().to_owned()
    }

    fn words(&mut self) -> Vec<String> {
        let text = self.rest_of_line();
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn act(&mut self) -> Result<Option<Act>, Problem> {
        if self.eat("given ") {
            self.skip_space();
            let start = self.at;
            let word = self.take_while(is_plain);
            let call = is_symbol(word).then(|| word.to_owned());
            match call {
                Some(_) => self.skip_space(),
                None => self.at = start,
            }
            let act = self.plain_act()?.ok_or(Problem::Expected(GIVEN))?;
            return Ok(Some(Act::Given(Box::new(act), call)));
        }
        self.plain_act()
    }

    fn plain_act(&mut self) -> Result<Option<Act>, Problem> {
        let act = if self.eat("pbx:") {
            Act::Pbx(self.command()?)
        } else if self.eat("client:") {
            self.skip_space();
            let name = self.message_name()?;
            let fields = self.fields(0, None)?;
            Act::Client(Request { name, fields })
        } else if self.eat("wait ") {
            Act::Wait(self.duration()?)
        } else {
            return Ok(None);
        };
        Ok(Some(act))
    }

    fn command(&mut self) -> Result<Command, Problem> {
        self.skip_space();
        let start = self.at;
        let parsed = self.rest_of_line().parse();
        if parsed.is_err() {
            self.at = start;
        }
        Ok(parsed?)
    }

    fn duration(&mut self) -> Result<Duration, Problem> {
        const FORM: Problem = Problem::Expected("a time such as 20s or 500ms, of a day at most");
        self.skip_space();
        let start = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit());
        let count: Option<u64> = digits.parse().ok();
        let time = match (count, self.rest_of_line().as_str()) {
            (Some(count), "s") => Some(Duration::from_secs(count)),
            (Some(count), "ms") => Some(Duration::from_millis(count)),
            _ => None,
        };
        let time = time.filter(|time| *time <= WAIT_MAX);
        if time.is_none() {
            self.at = start;
        }
        time.ok_or(FORM)
    }

    fn expected(&mut self, line: usize) -> Result<Expected, Problem> {
        let start = self.at;
        let optional = self.eat("?");
        self.skip_space();
        let to = self.take_while(is_plain);
        self.skip_space();
        if to.is_empty() || !self.eat("<") {
            self.at = start;
            return Err(Problem::Expected(LINE));
        }
        self.skip_space();
        let name = self.message_name()?;
        let fields = self.fields(0, None)?;
        let text = self.line.get(start..self.at).unwrap_or_default().trim();
        let source = match self.eat(";") {
            true => self.rest().trim(),
            false => "",
        };
        Ok(Expected {
            line,
            text: text.to_owned(),
            optional,
            to: to.to_owned(),
            name,
            fields,
            source: source.to_owned(),
        })
    }

    fn message_name(&mut self) -> Result<String, Problem> {
        let start = self.at;
        let name = self.take_while(|c| c.is_ascii_alphanumeric());
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            self.at = start;
            return Err(Problem::Expected(MESSAGE));
        }
        Ok(name.to_owned())
    }

    /// Fields up to the end of the line, or up to `close`, which is eaten.
    fn fields(&mut self, depth: usize, close: Option<&str>) -> Result<Vec<Field>, Problem> {
        let mut fields = Vec::new();
        loop {
            self.skip_space();
            match close {
                Some(close) if self.eat(close) => return Ok(fields),
                None if self.is_at_end() || self.rest().starts_with(';') => return Ok(fields),
                _ => {}
            }
            let start = self.at;
            let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '/');
            if name.is_empty() || !self.eat("=") {
                self.at = start;
                return Err(Problem::Expected(FIELD));
            }
            let value = self.value(depth)?;
            let name = name.to_owned();
            fields.push(Field { name, value });
            at_most(fields.len(), FIELDS_MAX, "fields")?;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Problem> {
        at_most(depth, NESTING_MAX, "lists and groups in each other")?;
        if self.eat("[") {
            return self.items(depth + 1).map(Value::List);
        }
        if self.eat("{") {
            return self.fields(depth + 1, Some("}")).map(Value::Group);
        }
        let mut atoms = vec![self.atom()?];
        while self.eat("|") {
            atoms.push(self.atom()?);
            at_most(atoms.len(), FIELDS_MAX, "alternatives")?;
        }
        match atoms.as_slice() {
            [Atom::Word(word)] if word == "-" => Ok(Value::Absent),
            _ => Ok(Value::OneOf(atoms)),
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Item>, Problem> {
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.eat("]") {
                return Ok(items);
            }
            at_most(depth, NESTING_MAX, "lists and groups in each other")?;
            if self.eat("{") {
                items.push(Item::Group(self.fields(depth + 1, Some("}"))?));
            } else {
                let new = self.atom()?;
                let old = self.eat("<").then(|| self.atom()).transpose()?;
                items.push(Item::Moved(new, old));
            }
            at_most(items.len(), FIELDS_MAX, "items")?;
        }
    }

    fn atom(&mut self) -> Result<Atom, Problem> {
        let text = self.take_while(is_plain);
        if text.is_empty() {
            return Err(Problem::Expected(VALUE));
        }
        Ok(match text.split_once('/') {
            Some((call, device)) if is_symbol(call) => {
                Atom::Connection(call.to_owned(), device.to_owned())
            }
            _ => Atom::Word(text.to_owned()),
        })
    }
}

/// Whether a character belongs to a word.
fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '[' | ']' | '{' | '}' | '|' | '<' | '=' | ';')
}

/// Whether a word stands for something that is learned: a capital letter and digits.
pub(super) fn is_symbol(word: &str) -> bool {
    let mut letters = word.chars();
    let digits = word.get(1..).unwrap_or_default();
    letters.next().is_some_and(|c| c.is_ascii_uppercase())
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Connection(call, device) => write!(f, "{call}/{device}"),
        }
    }
}
