//! What does not fit together in `[sip]`, though each value is allowed by itself.

use std::borrow::Cow;

use ::sip::transport::Transport;
use call_control::bridge::number::Pattern;

use super::{Destination, DestinationSection, NumberPattern, SipSection};

impl SipSection {
    /// What does not fit together: the key to change, and what would fit.
    pub(in crate::config) fn conflict(&self) -> Option<(&'static str, String)> {
        if self.listen.is_empty() {
            return Some(("sip.listen", "names no address to listen on".to_owned()));
        }
        if self.trunk.targets.is_empty() {
            let problem = "names no address of the PBX, such as \"tcp:192.0.2.10:5060\"";
            return Some(("sip.trunk.targets", problem.to_owned()));
        }
        let wildcard = self
            .listen
            .iter()
            .any(|at| at.address.ip().is_unspecified());
        if wildcard && self.advertise.is_none() {
            let problem = "missing, but sip.listen names all addresses; name the one that the PBX \
                           reaches";
            return Some(("sip.advertise", problem.to_owned()));
        }
        if self.trunk.authenticate && self.trunk.gateway_password_file.is_none() {
            let problem = "missing, but sip.trunk.authenticate is true; name the file with the \
                           password that the PBX proves itself with, or set authenticate to false";
            return Some(("sip.trunk.gateway-password-file", problem.to_owned()));
        }
        if self.trunk.digest.is_empty() {
            let problem = "names no algorithm; \"sha-256\" and \"md5\" are allowed";
            return Some(("sip.trunk.digest", problem.to_owned()));
        }
        if let Some(media) = &self.media
            && media.first_port.0 >= media.last_port.0
        {
            let (first, last) = (media.first_port.0, media.last_port.0);
            let problem = format!("is {first}, which is not below last-port, {last}");
            return Some(("sip.media.first-port", problem));
        }
        if self.mutual_tls && self.ca_file.is_none() {
            let problem = "missing, but sip.mutual-tls is true; name the PEM file of who signed the \
                           PBX's certificate";
            return Some(("sip.ca-file", problem.to_owned()));
        }
        if self.trunk.pbx_user.is_some() != self.trunk.pbx_password_file.is_some() {
            let problem = "pbx-user and pbx-password-file belong together";
            return Some(("sip.trunk.pbx-user", problem.to_owned()));
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            let problem = "certificate-file and key-file belong together";
            return Some(("sip.certificate-file", problem.to_owned()));
        }
        self.conflict_of_codes()
            .map(|problem| ("sip.destinations", problem))
            .or_else(|| self.conflict_of_targets())
    }

    /// Whether each destination code can be called, and none keeps an emergency number from going on.
    fn conflict_of_codes(&self) -> Option<String> {
        let pattern = |text: &NumberPattern| Pattern::parse(&text.0);
        let numbers = self.policy.emergency.iter().filter_map(pattern);
        let emergency: Vec<_> = numbers.filter_map(|number| number.as_number()).collect();
        let codes: Vec<_> = self.codes().collect();
        for (index, section) in codes.iter().enumerate() {
            let code = &section.code.0;
            if section.to == Destination::Conference && self.media.is_none() {
                return Some(format!(
                    "code \"{code}\" leads to conferences, which need the section [sip.media]; add it"
                ));
            }
            let taken = pattern(&section.code)?;
            // A call that goes through reaches who can help; what answers here does not help.
            let ends_here = section.to != Destination::CallThrough;
            let lost = emergency.iter().find(|number| taken.matches(number));
            if let Some(number) = lost.filter(|_| ends_here) {
                return Some(format!(
                    "code \"{code}\" takes the emergency number {} as well; narrow the code, or lead it \
                     to \"call-through\"",
                    number.as_str()
                ));
            }
            let covers = |earlier: &&Cow<'_, DestinationSection>| {
                let one = taken.as_number();
                let covered = one.is_some_and(|one| {
                    pattern(&earlier.code).is_some_and(|earlier| earlier.matches(&one))
                });
                covered || earlier.code == section.code
            };
            if let Some(earlier) = codes[..index].iter().find(covers) {
                return Some(format!(
                    "code \"{code}\" is never reached: \"{}\" stands before it and takes all its calls",
                    earlier.code.0
                ));
            }
        }
        None
    }

    /// Whether everybody who is called can be, and by a way that is listened on.
    fn conflict_of_targets(&self) -> Option<(&'static str, String)> {
        let second = self
            .call_through
            .as_ref()
            .map(|section| section.targets.as_slice());
        if self.codes().any(|to| to.to == Destination::CallThrough)
            && second.is_none_or(<[_]>::is_empty)
        {
            let problem = "missing, but a destination goes to \"call-through\"";
            return Some(("sip.call-through.targets", problem.to_owned()));
        }
        let registrar = self.softclients.as_ref().map(|section| &section.registrar);
        if let Some(registrar) = registrar
            && !self
                .listen
                .iter()
                .any(|at| at.transport == registrar.transport)
        {
            let transport = registrar.transport.uri_token();
            let problem = format!(
                "is reached by {transport}, but sip.listen has no {transport}: address, where the PBX \
                 would call the users"
            );
            return Some(("sip.softclients.registrar", problem));
        }
        let targets = self.trunk.targets.iter().chain(second.unwrap_or_default());
        let targets = targets.chain(registrar);
        let tls = targets
            .clone()
            .any(|target| target.transport == Transport::Tls);
        if tls && self.ca_file.is_none() {
            let problem = "missing, but a target is reached by tls; name the PEM file of its \
                           certificate";
            return Some(("sip.ca-file", problem.to_owned()));
        }
        None
    }
}
