//! The samples that the crate makes of its own rules.

use std::collections::BTreeSet;

use csta::conformance::{MessageRule, Variant, instances, missing};
use csta::{Edition, Message};

#[test]
fn every_sample_reads_back_as_it_was_in_every_edition() {
    for edition in Edition::NEWEST_FIRST {
        for instance in instances(edition) {
            let xml = instance.message.to_xml(edition);
            assert_eq!(
                Message::parse(xml.as_bytes()),
                Ok(instance.message),
                "{xml}"
            );
        }
    }
}

#[test]
fn every_message_has_samples_with_the_fewest_elements_and_with_all() {
    let instances = instances(Edition::Ed6);
    let names = |wanted: fn(Variant) -> bool| -> BTreeSet<&str> {
        let wanted = instances.iter().filter(|it| wanted(it.variant));
        wanted.map(|it| it.rule.name).collect()
    };
    let all: BTreeSet<&str> = MessageRule::all().map(|rule| rule.name).collect();
    assert_eq!(all.len(), MessageRule::all().count(), "names are unique");
    assert_eq!(names(|variant| matches!(variant, Variant::Fewest(0))), all);
    assert_eq!(
        names(|variant| matches!(variant, Variant::All(_))).len() + 1,
        all.len(),
        "the error code alone has no optional element"
    );
}

#[test]
fn every_sample_has_its_mandatory_elements() {
    for edition in Edition::NEWEST_FIRST {
        for instance in instances(edition) {
            let xml = instance.message.to_xml(edition);
            assert_eq!(missing(xml.as_bytes()), Ok(vec![]), "{xml}");
        }
    }
}
