//! XML as CSTA uses it: a small tree to read from, a writer that keeps the order it is given.

mod document;
mod reader;
mod writer;

pub(crate) use document::SPACES;
pub use document::{
    ATTRIBUTES_AND_ELEMENTS_MAX, ATTRIBUTES_MAX, DEPTH_MAX, Document, Element, XmlError,
};
pub use writer::Writer;
pub(crate) use writer::{escape, write_attribute};
