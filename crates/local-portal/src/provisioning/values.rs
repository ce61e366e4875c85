//! What has to stand in the PBX, built from what was typed into the set-up.

use std::collections::BTreeMap;

use super::Trunk;
use crate::book::Step as Kept;
use crate::portal::Portal;
use crate::wizard::{self, STEPS};

/// The user with which the PBX proves who it is, unless another is typed.
const GATEWAY_USER: &str = "officelinkmxone";
/// What follows the account in the remote domain, unless another is typed.
pub(crate) const REGION: &str = "eu.api.mitel.io";
/// Longest description of a trunk, in characters.
const DESCRIPTION_LEN_MAX: usize = 255;

/// What has to stand in the PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Values {
    /// The gateway as the PBX reaches it.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) transport: &'static str,
    pub(crate) description: String,
    pub(crate) pbx_user: String,
    pub(crate) gateway_user: String,
    /// What the PBX's route has as its remote domain; none without an account.
    pub(crate) domain: Option<String>,
    pub(crate) channels: String,
    pub(crate) csta_port: String,
    /// The mobile call-through number; empty where there is none, or it stands for several.
    pub(crate) call_through: String,
    has_passwords: [bool; 2],
}

/// A field of the set-up that has to be typed first.
type Missing = &'static str;

impl Values {
    /// From what was typed or configured. `reached` is the name under which this page was opened.
    pub(crate) fn of(portal: &Portal, reached: &str) -> Self {
        let configured = portal.view.configured(&wizard::keys());
        let (steps, region) =
            portal.read(|pages| (pages.steps.clone(), pages.provisioning.region.clone()));
        Self::from_steps(&steps, &configured, &region, reached)
    }

    fn from_steps(
        steps: &BTreeMap<String, Kept>,
        configured: &[(&'static str, String)],
        region: &str,
        reached: &str,
    ) -> Self {
        let value = |id: &str| {
            let found = STEPS
                .iter()
                .find_map(|step| Some((step.field(id)?, steps.get(step.id))));
            let value = found.map(|(field, kept)| wizard::value_of(field, kept, configured));
            value.filter(|value| !value.is_empty())
        };
        let listened = value("sip-listen").unwrap_or_default();
        let (transport, host, port) =
            first_listener(&listened).unwrap_or_else(|| ("TCP", reached.to_owned(), 5060));
        let customer = value("customer-name").unwrap_or_default();
        let description: String = format!("ringway {customer}")
            .trim()
            .chars()
            .take(DESCRIPTION_LEN_MAX)
            .collect();
        let region = if region.is_empty() { REGION } else { region };
        let built = value("account-id").map(|account| format!("{account}.{region}"));
        let csta = value("pbx-address").unwrap_or_default();
        let csta_port = csta
            .rsplit_once(':')
            .map_or("8882", |(_, port)| port)
            .to_owned();
        Self {
            host,
            port,
            transport,
            description,
            pbx_user: value("trunk-pbx-user").unwrap_or_default(),
            gateway_user: value("trunk-gateway-user").unwrap_or_else(|| GATEWAY_USER.to_owned()),
            domain: value("sip-domain").or(built),
            channels: value("trunk-channels").unwrap_or_else(|| "10".to_owned()),
            csta_port,
            call_through: value("call-through-number")
                .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                .unwrap_or_default(),
            has_passwords: ["trunk-pbx-password", "trunk-gateway-password"].map(|id| {
                steps
                    .values()
                    .any(|kept| kept.values.get(id).is_some_and(|value| !value.is_empty()))
            }),
        }
    }

    /// What has to be typed before Provisioning Manager can be asked.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        let [pbx, gateway] = self.has_passwords;
        let all = [
            ("trunk-pbx-user", self.pbx_user.is_empty()),
            ("trunk-pbx-password", !pbx),
            ("trunk-gateway-password", !gateway),
        ];
        let missing = all.into_iter().filter(|(_, missing)| *missing);
        missing.map(|(id, _)| id).collect()
    }

    /// The trunk that Provisioning Manager is asked to make.
    pub(crate) fn trunk(&self, pbx_password: String, gateway_password: String) -> Trunk {
        Trunk {
            ip_address: self.host.clone(),
            sip_port_number: self.port,
            transport_protocol: self.transport,
            description: self.description.clone(),
            pbx_username: self.pbx_user.clone(),
            pbx_password,
            cloudlink_gateway_username: self.gateway_user.clone(),
            cloudlink_gateway_user_password: gateway_password,
            gsm_callthrough_deploy_number: self.call_through.clone(),
        }
    }
}

/// `tcp:10.0.0.9:5060, …`: the first that the PBX can reach.
fn first_listener(listened: &str) -> Option<(&'static str, String, u16)> {
    let mut all = listened.split([',', ' ']).filter(|it| !it.is_empty());
    all.find_map(|one| {
        let (transport, at) = one.split_once(':')?;
        let (host, port) = at.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']);
        if host == "0.0.0.0" || host == "::" {
            return None;
        }
        let transport = match transport {
            "tcp" => "TCP",
            "udp" => "UDP",
            "tls" => "TLS",
            _ => return None,
        };
        Some((transport, host.to_owned(), port.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_domain_is_the_account_and_the_region() {
        let mut steps: BTreeMap<String, Kept> = BTreeMap::new();
        let mut put = |step: &str, field: &str, value: &str| {
            let step = steps.entry(step.to_owned()).or_default();
            step.values.insert(field.to_owned(), value.to_owned());
        };
        // The account of the deployment guide's example.
        put(
            "connect",
            "account-id",
            "7454089f-1145-43c2-aaf0-0ffdc1fa1921",
        );
        put(
            "advanced",
            "sip-listen",
            "udp:0.0.0.0:5060, tls:10.0.0.9:5061",
        );
        let values = Values::from_steps(&steps, &[], "", "box.example");
        let domain = "7454089f-1145-43c2-aaf0-0ffdc1fa1921.eu.api.mitel.io";
        assert_eq!(values.domain.as_deref(), Some(domain));
        assert_eq!(
            (&*values.host, values.port, values.transport),
            ("10.0.0.9", 5061, "TLS")
        );
        assert_eq!(values.gateway_user, "officelinkmxone");
        assert_eq!(
            values.missing(),
            [
                "trunk-pbx-user",
                "trunk-pbx-password",
                "trunk-gateway-password"
            ]
        );
        let nothing = Values::from_steps(&BTreeMap::new(), &[], "us.example", "box.example");
        assert_eq!(
            (nothing.domain.as_deref(), &*nothing.host),
            (None, "box.example")
        );
    }
}
