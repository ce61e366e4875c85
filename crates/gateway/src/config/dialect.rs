//! Which dialect the PBX speaks, and what of it a site has found to be otherwise.

use std::collections::BTreeMap;
use std::fmt;

use csta::Dialect;
use csta::dialect::{AssociationMode, Side, Switch};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::PbxSection;
use super::types::parsed;

/// A dialect by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialectName(pub Dialect);

/// How to associate with the PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Association(pub AssociationMode);

/// Switches of the dialect that the site has set, by name, each with a value that it may have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assumptions(BTreeMap<&'static str, String>);

impl Default for DialectName {
    fn default() -> Self {
        Self(Dialect::MX_ONE)
    }
}

impl PbxSection {
    /// The dialect that is spoken with the PBX: the one named, less what the site has set.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        let mut dialect = self.dialect.0;
        if let Some(Association(mode)) = self.association {
            dialect = dialect.with_association(mode);
        }
        for (name, value) in &self.assumptions.0 {
            let set = dialect.set(name, value);
            debug_assert!(set.is_ok(), "values are checked while they are read");
        }
        dialect
    }
}

/// A dialect for a person: its name, then a line for each switch that the gateway acts on, with its
/// value and where that is from.
#[must_use]
pub fn describe(dialect: &Dialect) -> String {
    let switches = Dialect::SWITCHES.iter().filter(|it| acts_on(it));
    let lines = switches.map(|switch| {
        let (value, source) = switch.value(dialect);
        format!("\n  {:<28} {value:<22} {source}", switch.name)
    });
    dialect.name().to_owned() + &lines.collect::<String>()
}

/// Whether the gateway does: setting another would change nothing.
fn acts_on(switch: &Switch) -> bool {
    switch.side == Side::Computing
}

/// Whether a switch stands under `[pbx.assumptions]`: how to associate has a key of its own.
fn may_be_assumed(switch: &Switch) -> bool {
    acts_on(switch) && switch.name != ASSOCIATION
}

const ASSOCIATION: &str = "association";

impl<'de> Deserialize<'de> for DialectName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Dialect::ALL.map(|dialect| format!("{:?}", dialect.name()));
        parsed(deserializer, &names.join(" or "), |text| {
            Dialect::by_name(text).map(Self)
        })
    }
}

impl<'de> Deserialize<'de> for Association {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = AssociationMode::ALL.iter();
        let words: Vec<String> = words.map(|mode| format!("{:?}", mode.as_str())).collect();
        parsed(deserializer, &words.join(" or "), |text| {
            let mut modes = AssociationMode::ALL.iter();
            modes.find(|mode| mode.as_str() == text).copied().map(Self)
        })
    }
}

impl<'de> Deserialize<'de> for Assumptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = Assumptions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of the dialect's switches")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Assumptions, A::Error> {
        let mut assumptions = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let mut switches = Dialect::SWITCHES.iter().filter(|it| may_be_assumed(it));
            let Some(switch) = switches.find(|switch| switch.name == name) else {
                return Err(unknown(&name));
            };
            assumptions.insert(switch.name, map.next_value_seed(ValueOf(switch))?);
        }
        Ok(Assumptions(assumptions))
    }
}

fn unknown<E: de::Error>(name: &str) -> E {
    let switches = Dialect::SWITCHES.iter().filter(|it| may_be_assumed(it));
    let names: Vec<&str> = switches.map(|switch| switch.name).collect();
    E::custom(format_args!(
        "unknown key `{name}`, expected one of {}",
        names.join(", ")
    ))
}

/// Reads a word, a number or a truth value as the value of a switch.
struct ValueOf(&'static Switch);

impl ValueOf {
    fn check<E: de::Error>(&self, text: String) -> Result<String, E> {
        let mut probe = Dialect::ECMA;
        match probe.set(self.0.name, &text) {
            Ok(()) => Ok(text),
            Err(_) => Err(E::invalid_value(de::Unexpected::Other(&text), self)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueOf {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ValueOf {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.allowed())
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<String, E> {
        self.check(value.to_string())
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<String, E> {
        self.check(value.to_string())
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<String, E> {
        self.check(value.to_string())
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<String, E> {
        self.check(value.to_owned())
    }
}
