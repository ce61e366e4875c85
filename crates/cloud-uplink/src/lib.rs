//! The channel between a gateway and the far end, and the events that travel on it.
//!
//! One outbound connection carries everything: events up, commands down. The promise is that every
//! event is delivered at least once and in order, or its absence is reported.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`event`] | the normalized event: CloudEvents 1.0 attributes and versioned data |
//! | [`endpoint`] | what is known of an extension beside its calls |
//! | [`record`] | call history: one record for each call and user |
//! | [`voice`] | how a call sounded |
//! | [`command`] | what the far end may ask, and every way it can be refused |
//! | [`leg`] | cloud legs: what the two ends of a bridged call say to each other |
//! | [`frame`] | the messages of the channel, in both directions |
//! | [`session`] | who may say what when: the gateway's end and the far end's, without I/O |
//! | [`schema`] | JSON Schemas of all of these, generated from the types |

pub mod command;
pub mod endpoint;
pub mod event;
pub mod frame;
pub mod id;
pub mod leg;
pub mod loss;
pub mod record;
pub mod schema;
pub mod session;
pub mod time;
pub mod voice;

pub use command::{Command, CommandError, ErrorCode, Method, Outcome};
pub use endpoint::EndpointView;
pub use event::{Event, EventData, LegState, LegView};
pub use frame::{CloudFrame, FrameParseError, GatewayFrame};
pub use id::{CallId, CloudLegId, IdSource, Identity, LegId, StreamId};
pub use record::CallRecord;
pub use time::Timestamp;
pub use voice::{CallVoice, VoiceQuality, VoiceSide};
