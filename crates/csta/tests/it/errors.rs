//! The tree of CSTAErrorCode.

use csta::message::Message;
use csta::value::known_values;
use csta::{CstaError, ErrorCategory, Response};

use crate::testdata;

/// The schema's type of each branch that has values of its own.
const TYPES: [(ErrorCategory, &str); 7] = [
    (ErrorCategory::Operation, "OperationErrors"),
    (
        ErrorCategory::PerformanceManagement,
        "PerformanceManagementErrors",
    ),
    (ErrorCategory::PrivateData, "PrivateDataInfoErrors"),
    (ErrorCategory::Security, "SecurityErrors"),
    (
        ErrorCategory::StateIncompatibility,
        "StateIncompatibilityErrors",
    ),
    (
        ErrorCategory::SubscribedResourceAvailability,
        "SubscribedResourceAvailabilityErrors",
    ),
    (
        ErrorCategory::SystemResourceAvailability,
        "SystemResourceAvailabilityErrors",
    ),
];

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn the_known_values_are_those_of_the_sixth_edition() {
    let fields = testdata("xsd/reconstructed-ed6/fields.tsv");
    let fields = std::fs::read_to_string(fields).unwrap();
    for (category, ty) in TYPES {
        let rows = fields.lines().map(|line| line.split('\t').collect());
        let values = rows.filter(|row: &Vec<&str>| row[0] == ty && row[4] == "ENUM_VALUE");
        let values: Vec<&str> = values.map(|row| row[3]).collect();
        assert_eq!(known_values(category), values, "{ty}");
    }
}

#[test]
fn every_value_is_read_and_what_is_unknown_is_kept() {
    let read = |branch: &str, value: &str| {
        let xml = format!("<CSTAErrorCode><{branch}>{value}</{branch}></CSTAErrorCode>");
        match Message::parse(xml.as_bytes()) {
            Ok(Message::Response(Response::Error(error))) => error,
            other => panic!("{other:?}"),
        }
    };
    for &category in ErrorCategory::ALL {
        for value in known_values(category) {
            let error = read(category.as_str(), value);
            assert_eq!(error, CstaError::new(category, *value));
            assert!(error.is_known());
        }
    }
    let misspelt = read("systemResourceAvailability", "generic");
    assert_eq!(misspelt.category, ErrorCategory::SystemResourceAvailability);
    assert!(read("privateErrorCode", "URM Denied").is_known());
    let newer = read("operation", "somethingNewer");
    assert_eq!(newer.to_string(), "operation/somethingNewer");
    assert!(!newer.is_known());
    let branch = read("newBranch", "value");
    assert_eq!(branch.to_string(), "unspecified/newBranch/value");
    assert!(!branch.is_known());
}
