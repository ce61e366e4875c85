//! Provisioning Manager of a MiVoice MX-ONE: what is asked of its REST API, and what its answers mean.
//! Nothing here opens a connection but [`sign_in`] and [`create`].

mod check;
mod values;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use web::client::{self, Answered, ClientError};

pub(crate) use check::CERTIFICATE_NOTICE_DAYS;
pub(crate) use values::{REGION, Values};

/// Port of its pages and its API unless another is typed.
pub(crate) const PORT: u16 = 443;
/// The oldest version that knows gateway trunks.
pub(crate) const VERSION_MIN: (u32, u32) = (7, 6);
/// Longest text of its own that is shown, in characters.
const SAID_LEN_MAX: usize = 300;

/// A gateway trunk, as `POST /services/cloudlink-gateway-trunks/v1` takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trunk {
    pub(crate) ip_address: String,
    pub(crate) sip_port_number: u16,
    pub(crate) transport_protocol: &'static str,
    pub(crate) description: String,
    pub(crate) pbx_username: String,
    pub(crate) pbx_password: String,
    pub(crate) cloudlink_gateway_username: String,
    pub(crate) cloudlink_gateway_user_password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) gsm_callthrough_deploy_number: String,
}

/// Each field of a trunk, and the field of the set-up that it comes of.
const FIELDS: &[(&str, &str)] = &[
    ("ipAddress", "sip-listen"),
    ("sipPortNumber", "sip-listen"),
    ("transportProtocol", "sip-listen"),
    ("description", "customer-name"),
    ("pbxUsername", "trunk-pbx-user"),
    ("pbxPassword", "trunk-pbx-password"),
    // Before its own beginning, so that the longer one is found.
    ("cloudlinkGatewayUserPassword", "trunk-gateway-password"),
    ("cloudlinkGatewayUsername", "trunk-gateway-user"),
    ("gsmCallthroughDeployNumber", "call-through-number"),
];

/// Signed in.
pub(crate) struct SignedIn {
    pub(crate) token: String,
    pub(crate) version: String,
}

/// What it says when it signs somebody in.
#[derive(Deserialize)]
struct Login {
    token: String,
    #[serde(default)]
    version: String,
}

/// What it says when it refuses something.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Refusal {
    error_msg: Option<String>,
    developer_msg: Option<String>,
    mitel_error_code: Option<String>,
}

/// What went wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing answers: why.
    Silent(String),
    /// Something else answers: what is odd about it.
    Strange(String),
    /// Its certificate is another one than was accepted: the fingerprint of what it shows.
    OtherCertificate(String),
    /// It does not take user and password: its words.
    SignIn(String),
    /// It is older than [`VERSION_MIN`]: its version.
    Old(String),
    /// It knows no gateway trunks.
    NoTrunks,
    /// The user may not do that.
    NotAllowed(String),
    /// It refuses the trunk: its words, its name of the field, and the field of the set-up.
    Refused {
        said: String,
        field: Option<(&'static str, &'static str)>,
    },
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Silent(why) => Self::Silent(why),
            ClientError::NoTls(why) | ClientError::NoHttp(why) => Self::Strange(why),
            ClientError::OtherCertificate(shown) => Self::OtherCertificate(shown),
        }
    }
}

/// Signs in, and asks for the version on the way.
pub(crate) async fn sign_in(
    at: &str,
    trusted: &str,
    user: &str,
    password: &str,
) -> Result<SignedIn, Trouble> {
    let body = serde_json::json!({"username": user, "password": password});
    let answer = client::send(at, trusted, post(at, "/auth/login", None, &body)?).await?;
    signed_in(&answer)
}

/// Makes a trunk.
pub(crate) async fn create(
    at: &str,
    trusted: &str,
    token: &str,
    trunk: &Trunk,
) -> Result<(), Trouble> {
    const PATH: &str = "/services/cloudlink-gateway-trunks/v1";
    let bearer = format!("Bearer {token}");
    let answer = client::send(at, trusted, post(at, PATH, Some(&bearer), trunk)?).await?;
    if answer.status != StatusCode::UNAUTHORIZED {
        return created(&answer);
    }
    // What goes before the token is nowhere written down.
    created(&client::send(at, trusted, post(at, PATH, Some(token), trunk)?).await?)
}

fn post(
    at: &str,
    path: &str,
    authorization: Option<&str>,
    body: &impl Serialize,
) -> Result<Request<Body>, Trouble> {
    let strange = |error: &dyn std::fmt::Display| Trouble::Strange(error.to_string());
    let body = serde_json::to_vec(body).map_err(|error| strange(&error))?;
    let mut request = Request::post(path)
        .header(header::HOST, at)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request
        .body(Body::from(body))
        .map_err(|error| strange(&error))
}

fn signed_in(answer: &Answered) -> Result<SignedIn, Trouble> {
    match answer.status {
        StatusCode::OK => {
            let login: Login = serde_json::from_slice(&answer.body)
                .map_err(|_| Trouble::Strange("its answer has no token".to_owned()))?;
            let version = short(&login.version);
            let token = login.token;
            Ok(SignedIn { token, version })
        }
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(Trouble::SignIn(said(answer)))
        }
        // Only newer ones have the API.
        StatusCode::NOT_FOUND => Err(Trouble::NoTrunks),
        _ => Err(Trouble::Strange(said(answer))),
    }
}

fn created(answer: &Answered) -> Result<(), Trouble> {
    match answer.status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Trouble::NotAllowed(said(answer))),
        StatusCode::NOT_FOUND => Err(Trouble::NoTrunks),
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
            let said = said(answer);
            let field = FIELDS.iter().find(|(name, _)| said.contains(name)).copied();
            Err(Trouble::Refused { said, field })
        }
        _ => Err(Trouble::Strange(said(answer))),
    }
}

/// Its own words, or the status where it has none.
fn said(answer: &Answered) -> String {
    let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let words = [
        refusal.mitel_error_code,
        refusal.error_msg,
        refusal.developer_msg,
    ];
    let mut words: Vec<String> = words.into_iter().flatten().collect();
    words.retain(|words| !words.is_empty());
    words.dedup();
    if words.is_empty() {
        words.push(format!("HTTP {}", answer.status));
    }
    short(&words.join(": "))
}

fn short(text: &str) -> String {
    let plain = text.chars().filter(|char| !char.is_control());
    plain.take(SAID_LEN_MAX).collect()
}

/// Whether a version (`7.6`, `7.6.SP1.HF2`, `8.0 SP1`) is new enough; unknown where it is none.
pub(crate) fn is_new_enough(version: &str) -> Option<bool> {
    let mut numbers = version
        .trim()
        .split(['.', ' '])
        .map(|part| part.parse::<u32>().ok());
    let major = numbers.next()??;
    let minor = numbers.next().flatten().unwrap_or(0);
    Some((major, minor) >= VERSION_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, expect) in [
            ("7.6", Some(true)),
            ("7.6.SP1.HF2", Some(true)),
            ("7.10 SP1", Some(true)),
            ("8.0", Some(true)),
            ("7.5.SP9", Some(false)),
            ("6.9", Some(false)),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(is_new_enough(version), expect, "{version}");
        }
    }

    #[test]
    fn a_refusal_names_the_field_and_nothing_hostile_is_shown_whole() {
        let answer = |status: StatusCode, body: &str| Answered {
            status,
            headers: axum::http::HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        let refused = answer(
            StatusCode::BAD_REQUEST,
            r#"{"errorMsg":"cloudlinkGatewayUserPassword is mandatory"}"#,
        );
        let field = ("cloudlinkGatewayUserPassword", "trunk-gateway-password");
        assert_eq!(
            created(&refused),
            Err(Trouble::Refused {
                said: "cloudlinkGatewayUserPassword is mandatory".to_owned(),
                field: Some(field)
            })
        );
        let long = format!("{{\"errorMsg\":\"\\u0000{}\"}}", "x".repeat(9000));
        let Err(Trouble::Strange(text)) = created(&answer(StatusCode::BAD_GATEWAY, &long)) else {
            panic!("taken");
        };
        assert_eq!(text, "x".repeat(SAID_LEN_MAX));
        let odd = signed_in(&answer(StatusCode::OK, "<html>"));
        assert!(matches!(odd, Err(Trouble::Strange(_))));
    }
}
