//! Samples of every message, made from its rules.

use crate::conformance::sample;
use crate::conformance::{Content, ElementRule, MessageRule, Presence, Text};
use crate::edition::Edition;
use crate::message::Message;
use crate::xml::Writer;

/// A sample of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The rule that it is made from.
    pub rule: &'static MessageRule,
    /// Which elements it has.
    pub variant: Variant,
    /// The message.
    pub message: Message,
}

/// Which elements a sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The mandatory ones; of every choice the one of this number, from 0.
    Fewest(usize),
    /// All that the edition has; of every choice the one of this number, from 0.
    All(usize),
}

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fewest(turn) => write!(f, "fewest-{turn}"),
            Self::All(turn) => write!(f, "all-{turn}"),
        }
    }
}

/// Samples of every message: with the fewest elements and with all, each as often as its largest choice
/// has alternatives. They read back as themselves in that edition.
///
/// # Panics
/// Only where a rule and its reader disagree: a defect of this crate.
#[must_use]
pub fn instances(edition: Edition) -> Vec<Instance> {
    let variants = |rule: &'static MessageRule| {
        let turns = 0..alternatives(rule.content);
        let fewest = turns.clone().map(Variant::Fewest);
        let variants = fewest.chain(turns.map(Variant::All));
        variants.map(move |variant| Instance {
            rule,
            variant,
            message: sample_of(rule, variant, edition),
        })
    };
    let mut instances: Vec<Instance> = MessageRule::all().flat_map(variants).collect();
    // A small message looks the same in several of its variants.
    instances.dedup_by(|this, before| this.message == before.message);
    instances
}

fn sample_of(rule: &'static MessageRule, variant: Variant, edition: Edition) -> Message {
    let (all, turn) = match variant {
        Variant::Fewest(turn) => (false, turn),
        Variant::All(turn) => (true, turn),
    };
    let sampler = Sampler {
        message: rule.name,
        edition,
        all,
        turn,
    };
    let mut writer = Writer::new(edition);
    sampler.element(rule.name, rule.content.of(edition), &mut writer);
    let xml = writer.finish();
    match Message::parse(xml.as_bytes()) {
        Ok(message) => message,
        Err(error) => panic!(
            "the rules of {} are those of its reader: {error}: {xml}",
            rule.name
        ),
    }
}

/// How many alternatives the largest choice inside has; at least 1.
fn alternatives(content: Content) -> usize {
    let inside = |rules: &[ElementRule]| {
        let most = rules.iter().map(|rule| alternatives(rule.content)).max();
        most.unwrap_or(1)
    };
    match content {
        Content::Empty | Content::Text(_) | Content::Any => 1,
        Content::Sequence(rules) => inside(rules),
        Content::OneOf(rules) | Content::SomeOf(rules) => inside(rules).max(rules.len()),
        Content::List(item) => alternatives(item.content),
        Content::ByEdition {
            before_ed6,
            since_ed6,
        } => alternatives(*before_ed6).max(alternatives(*since_ed6)),
    }
}

struct Sampler {
    message: &'static str,
    edition: Edition,
    all: bool,
    turn: usize,
}

impl Sampler {
    fn element(&self, name: &'static str, content: Content, w: &mut Writer) {
        let attributes: &[(&str, &str)] = match content {
            Content::Text(Text::Device) if self.all => &[("typeOfNumber", "deviceNumber")],
            _ => &[],
        };
        w.element(name, attributes, |w| match content {
            Content::Empty | Content::ByEdition { .. } => {}
            Content::Text(text) => w.text(self.text(name, text)),
            Content::Any => w.raw(sample::any(name)),
            Content::Sequence(rules) => {
                for rule in rules.iter().filter(|rule| self.has(rule.presence)) {
                    self.element(rule.name, rule.content, w);
                }
            }
            Content::OneOf(rules) => {
                let rule = &rules[self.turn % rules.len()];
                self.element(rule.name, rule.content, w);
            }
            Content::SomeOf(rules) if self.all => {
                for rule in rules {
                    self.element(rule.name, rule.content, w);
                }
            }
            Content::SomeOf(rules) => {
                let rule = &rules[self.turn % rules.len()];
                self.element(rule.name, rule.content, w);
            }
            Content::List(item) => {
                // Before the sixth edition a call is deflected to one device alone.
                let alone = name == "newDestination" && self.edition < Edition::Ed6;
                for _ in 0..=usize::from(self.all && !alone) {
                    self.element(item.name, item.content, w);
                }
            }
        });
    }

    fn has(&self, presence: Presence) -> bool {
        match presence {
            Presence::Required | Presence::Mandatory => true,
            Presence::Optional => self.all,
            Presence::OptionalSinceEd6 => self.all && self.edition >= Edition::Ed6,
        }
    }

    fn text(&self, name: &str, text: Text) -> &'static str {
        match text {
            Text::Characters => match name {
                "protocolVersion" | "actualProtocolVersion" => self.edition.namespace(),
                name => sample::text(self.message, name),
            },
            Text::Device => ["2001", "N<2001!98&Jürgen>\"J\" & co;a=b"][usize::from(self.all)],
            Text::Boolean => ["true", "false"][self.turn % 2],
            Text::Number => "5",
            Text::Hex => "0AFF",
            Text::Closed(values) | Text::Open(values) => values[self.turn % values.len()],
        }
    }
}
