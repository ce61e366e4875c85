//! What people read, in their language: Fluent files, one for each.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

/// A language of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    #[default]
    English,
    German,
    Swedish,
}

impl Language {
    pub(crate) const ALL: [Self; 3] = [Self::English, Self::German, Self::Swedish];

    /// Its code, and its own name.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Swedish => "sv",
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::Swedish => "Svenska",
        }
    }

    pub(crate) fn of(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// The first of an `Accept-Language` value that is known here, whatever its weights: browsers
    /// send the dearest first.
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let mut tags = header.split(',').take(16);
        tags.find_map(|tag| Self::of(tag.trim().get(..2)?))
    }

    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../i18n/en.ftl"),
            Self::German => include_str!("../i18n/de.ftl"),
            Self::Swedish => include_str!("../i18n/sv.ftl"),
        }
    }
}

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<[Bundle; 3]> = LazyLock::new(|| Language::ALL.map(bundle));

/// The files are part of the program: one that cannot be read is our own mistake, and tested for.
fn bundle(language: Language) -> Bundle {
    let id: LanguageIdentifier = language.code().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![id]);
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(language.source().to_owned());
    let (Ok(resource) | Err((resource, _))) = resource;
    bundle.add_resource_overriding(resource);
    bundle
}

/// The texts of one language, for templates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts(pub(crate) Language);

impl Texts {
    /// The text of that name, or the name where there is none.
    pub(crate) fn get(self, id: &str) -> String {
        self.with(id, &[])
    }

    /// The same with `{ $name }` filled in. `id.attribute` names an attribute.
    pub(crate) fn with(self, id: &str, values: &[(&'static str, String)]) -> String {
        self.find(id, values).unwrap_or_else(|| id.to_owned())
    }

    /// The text of that name, if there is one.
    pub(crate) fn find(self, id: &str, values: &[(&'static str, String)]) -> Option<String> {
        let bundle = &BUNDLES[self.0 as usize];
        let (id, attribute) = id
            .split_once('.')
            .map_or((id, None), |(id, of)| (id, Some(of)));
        let message = bundle.get_message(id)?;
        let pattern = match attribute {
            Some(attribute) => message.get_attribute(attribute)?.value(),
            None => message.value()?,
        };
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, value.clone());
        }
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut errors);
        Some(text.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Name of each text, with the places to fill in.
    fn names(language: Language) -> BTreeMap<String, Vec<String>> {
        let mut names = BTreeMap::new();
        let mut owner = String::new();
        for line in language.source().lines() {
            let Some((name, text)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let name = name.trim().to_owned();
            let full = match name.strip_prefix('.') {
                Some(attribute) => format!("{owner}.{attribute}"),
                None => {
                    owner.clone_from(&name);
                    name
                }
            };
            let mut places: Vec<String> = text
                .split('$')
                .skip(1)
                .filter_map(|rest| rest.split([' ', '}']).next().map(str::to_owned))
                .collect();
            places.sort();
            assert!(names.insert(full.clone(), places).is_none(), "{full} twice");
        }
        names
    }

    #[test]
    fn every_language_has_every_text_with_the_same_places_to_fill() {
        let english = names(Language::English);
        assert!(english.len() > 100);
        for language in Language::ALL {
            assert!(FluentResource::try_new(language.source().to_owned()).is_ok());
            assert_eq!(names(language), english, "{}", language.name());
        }
    }

    #[test]
    fn every_text_that_the_pages_ask_for_is_there() {
        let english = names(Language::English);
        let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut asked = 0;
        for file in std::fs::read_dir(templates).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for rest in text.split("t.get(\"").skip(1) {
                let id = rest.split('"').next().unwrap();
                assert!(english.contains_key(id), "{}: {id}", path.display());
                asked += 1;
            }
        }
        assert!(asked > 40, "{asked}");
        for id in crate::view::Subject::ALL.iter().map(|subject| subject.id()) {
            assert!(english.contains_key(id), "{id}");
        }
        for id in crate::view::Advice::ALL.iter().map(|advice| advice.id()) {
            assert!(
                english.contains_key(id) && english.contains_key(&format!("{id}.act")),
                "{id}"
            );
        }
    }

    #[test]
    fn the_browsers_language_is_taken() {
        for (header, expect) in [
            ("de-AT,de;q=0.9,en;q=0.8", Some(Language::German)),
            ("fr, sv", Some(Language::Swedish)),
            ("fr", None),
            ("", None),
            ("d\u{e9}", None),
        ] {
            assert_eq!(Language::accepted(header), expect, "{header}");
        }
    }
}
