//! Call control services (ECMA-269 §17.1, §18.1): from the message to the model and back.

use std::time::Instant;

use csta::message::{
    AlternateCallResponse, AnswerCall, AnswerCallResponse, ClearCallResponse,
    ClearConnectionResponse, ConferenceCallResponse, ConsultationCall, ConsultationCallResponse,
    DeflectCall, DeflectCallResponse, GenerateDigits, GenerateDigitsResponse, HoldCallResponse,
    MakeCall, MakeCallResponse, ReconnectCallResponse, RetrieveCallResponse,
    SingleStepConferenceCall, SingleStepConferenceCallResponse, SingleStepTransferCall,
    SingleStepTransferCallResponse, TransferCallResponse,
};
use csta::value::{ConsultOptions, DigitMode, OpaqueData, ParticipationType};
use csta::{AutoOriginate, CstaError, Request, Response};

use super::Exchange;
use crate::switching::{
    Actor, CallData, Origination, SwitchingFunction, digit_mode, invalid_call, invalid_destination,
};
use crate::truth::{CALLED_NUMBERS_MAX, count};

/// Who asks for a service.
const BY: Actor = Actor::Service;

impl Exchange {
    /// `None` when the request is no service of calls.
    pub(super) fn respond_to_call(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Option<Result<Response, CstaError>> {
        let now = self.model_time(now);
        let pbx = &mut self.pbx;
        Some(match request {
            Request::MakeCall(make) => self.make_call(make, now),
            Request::AnswerCall(answer) => answer_call(pbx, answer, now),
            Request::HoldCall(hold) => pbx
                .hold(&hold.call_to_be_held, BY)
                .map(|()| HoldCallResponse::new().into()),
            Request::RetrieveCall(retrieve) => pbx
                .retrieve(&retrieve.call_to_be_retrieved, BY)
                .map(|()| RetrieveCallResponse::new().into()),
            Request::ClearConnection(clear) => pbx
                .clear_connection(&clear.connection_to_be_cleared)
                .map(|()| ClearConnectionResponse::new().into()),
            Request::ClearCall(clear) => {
                let call_id = clear.call_to_be_cleared.call_id.as_ref();
                let call_id = call_id.ok_or_else(invalid_call);
                let cleared = call_id.and_then(|call_id| pbx.clear_call(call_id));
                cleared.map(|()| ClearCallResponse::new().into())
            }
            Request::ConsultationCall(consult) => consultation_call(pbx, consult, now),
            Request::AlternateCall(alternate) => pbx
                .alternate_call(&alternate.held_call, &alternate.active_call, BY)
                .map(|()| AlternateCallResponse::new().into()),
            Request::ReconnectCall(reconnect) => pbx
                .reconnect_call(&reconnect.active_call, &reconnect.held_call, BY)
                .map(|()| ReconnectCallResponse::new().into()),
            Request::TransferCall(transfer) => pbx
                .transfer_call(&transfer.held_call, &transfer.active_call, BY)
                .map(|merged| {
                    TransferCallResponse {
                        connections: Some(merged.connections),
                        ..TransferCallResponse::new(merged.connection)
                    }
                    .into()
                }),
            Request::ConferenceCall(conference) => pbx
                .conference_call(&conference.held_call, &conference.active_call, BY)
                .map(|merged| {
                    ConferenceCallResponse {
                        connections: Some(merged.connections),
                        ..ConferenceCallResponse::new(merged.connection)
                    }
                    .into()
                }),
            Request::SingleStepTransferCall(transfer) => single_step_transfer(pbx, transfer, now),
            Request::SingleStepConferenceCall(conference) => {
                single_step_conference(pbx, conference, now)
            }
            Request::DeflectCall(deflect) => deflect_call(pbx, deflect, now),
            Request::GenerateDigits(generate) => generate_digits(pbx, generate),
            _ => return None,
        })
    }

    fn make_call(&mut self, make: &MakeCall, now: Instant) -> Result<Response, CstaError> {
        let origination = Origination {
            // ECMA-269 §17.1.18: prompting is the default.
            auto_originate: make.auto_originate.unwrap_or(AutoOriginate::Prompt),
            data: CallData {
                correlator: make.correlator_data.clone(),
                user: make.user_data.clone(),
                subject: make.subject_of_call.clone(),
            },
        };
        let (calling, called) = (&make.calling_device, &make.called_directory_number);
        let calling_device = self.pbx.make_call(calling, called, origination, now)?;
        let made = &mut self.ledger.calls_made;
        if made.len() < CALLED_NUMBERS_MAX || made.contains_key(called.as_str()) {
            count(made, called.as_str());
        }
        Ok(MakeCallResponse::new(calling_device).into())
    }
}

fn answer_call(
    pbx: &mut SwitchingFunction,
    answer: &AnswerCall,
    now: Instant,
) -> Result<Response, CstaError> {
    pbx.answer(&answer.call_to_be_answered, BY, now)?;
    let data = data(
        answer.correlator_data.as_ref(),
        answer.user_data.as_ref(),
        None,
    );
    if data != CallData::default() {
        pbx.associate_data(&answer.call_to_be_answered, data)?;
    }
    Ok(AnswerCallResponse::new().into())
}

fn consultation_call(
    pbx: &mut SwitchingFunction,
    consult: &ConsultationCall,
    now: Instant,
) -> Result<Response, CstaError> {
    let options = consult.consult_options.clone();
    let initiated = pbx.consultation_call(
        &consult.existing_call,
        &consult.consulted_device,
        options.unwrap_or(ConsultOptions::UNRESTRICTED),
        data(
            consult.correlator_data.as_ref(),
            consult.user_data.as_ref(),
            consult.subject_of_call.as_ref(),
        ),
        BY,
        now,
    )?;
    Ok(ConsultationCallResponse::new(initiated).into())
}

fn single_step_transfer(
    pbx: &mut SwitchingFunction,
    transfer: &SingleStepTransferCall,
    now: Instant,
) -> Result<Response, CstaError> {
    let data = data(
        transfer.correlator_data.as_ref(),
        transfer.user_data.as_ref(),
        transfer.subject_of_call.as_ref(),
    );
    let (active, to) = (&transfer.active_call, &transfer.transferred_to);
    let merged = pbx.single_step_transfer_call(active, to, data, BY, now)?;
    Ok(SingleStepTransferCallResponse {
        connections: Some(merged.connections),
        ..SingleStepTransferCallResponse::new(merged.connection)
    }
    .into())
}

fn single_step_conference(
    pbx: &mut SwitchingFunction,
    conference: &SingleStepConferenceCall,
    now: Instant,
) -> Result<Response, CstaError> {
    let participation = conference.participation_type.as_ref();
    let merged = pbx.single_step_conference_call(
        &conference.active_call,
        &conference.device_to_join,
        participation.unwrap_or(&ParticipationType::ACTIVE),
        BY,
        now,
    )?;
    Ok(SingleStepConferenceCallResponse::new(merged.connection).into())
}

fn deflect_call(
    pbx: &mut SwitchingFunction,
    deflect: &DeflectCall,
    now: Instant,
) -> Result<Response, CstaError> {
    // Several destinations would ring together: this switching function takes one.
    let [to] = deflect.new_destination.0.as_slice() else {
        return Err(invalid_destination());
    };
    let data = data(
        deflect.correlator_data.as_ref(),
        deflect.user_data.as_ref(),
        deflect.subject_of_call.as_ref(),
    );
    pbx.deflect_call(&deflect.call_to_be_diverted, to, data, BY, now)?;
    Ok(DeflectCallResponse::new().into())
}

fn generate_digits(
    pbx: &mut SwitchingFunction,
    generate: &GenerateDigits,
) -> Result<Response, CstaError> {
    let mode = generate.digit_mode.as_ref();
    if mode.is_some_and(|mode| *mode != DigitMode::DTMF) {
        return Err(digit_mode());
    }
    let digits = generate.characters_to_send.as_deref().unwrap_or_default();
    pbx.generate_digits(&generate.connection_to_send_digits, digits, BY)?;
    Ok(GenerateDigitsResponse::new().into())
}

fn data(
    correlator: Option<&OpaqueData>,
    user: Option<&OpaqueData>,
    subject: Option<&String>,
) -> CallData {
    CallData {
        correlator: correlator.cloned(),
        user: user.cloned(),
        subject: subject.cloned(),
    }
}
