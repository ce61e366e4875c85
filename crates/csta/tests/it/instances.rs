//! The samples that the crate makes of its own rules.

use std::collections::BTreeSet;

use csta::conformance::{MessageRule, Variant, instances, missing};
use csta::{Dialect, Edition, Message};

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

/// A device id of a sample, as it stands in its XML, is made a number alone. Written as a switching
/// function with the instance form does, each is `N<number>`, whatever the message and the element.
#[test]
fn each_device_id_of_each_message_is_written_in_the_form_of_the_dialect() {
    const FORMED: &str = ">N&lt;4711&gt;<";
    let (mut ids, mut messages) = (0, BTreeSet::new());
    for edition in Edition::NEWEST_FIRST {
        for instance in instances(edition) {
            let xml = Dialect::ECMA.write(&instance.message, edition);
            // An id that names its type says what it is without a form.
            let xml = xml.replace(" typeOfNumber=\"deviceNumber\"", "");
            let long = SAMPLE_IDS
                .iter()
                .fold(xml, |xml, id| xml.replace(id, ">4711<"));
            let told = long.matches(">4711<").count();
            let message = Message::parse(long.as_bytes()).unwrap();
            let written = Dialect::MIVOICE_400.write(&message, edition);
            let name = instance.rule.name;
            let bare = written.matches(">4711<").count();
            // Lists that nobody here interprets are kept as they came.
            let is_kept = name == "GetLogicalDeviceInformationResponse";
            assert!(bare == 0 || is_kept, "{name}: {written}");
            assert_eq!(
                written.matches(FORMED).count() + bare,
                told,
                "{name}: {written}"
            );
            let same = Dialect::ECMA.write(&message, edition);
            assert_eq!(same.matches(">4711<").count(), told, "{name}: {same}");
            ids += told;
            messages.extend((told > 0).then_some(name));
        }
    }
    assert!(ids > 1_000 && messages.len() > 60, "{ids} in {messages:?}");
}

/// Device ids of samples with the fewest and with all elements, as they stand in XML.
const SAMPLE_IDS: [&str; 2] = [
    ">2001<",
    ">N&lt;2001!98&amp;J\u{fc}rgen&gt;&quot;J&quot; &amp; co;a=b<",
];
