//! What is said about a cart: reasons, comments, surveys, and an agent that gives up the checkout.
//!
//! Each is counted once: a reason once for each cart and source, a survey once for each cart. Read next:
//! `domain/draft.rs`.

use super::Draft;
use crate::domain::cart::{Comment, State};
use crate::domain::decide::Applied;
use crate::domain::delivery::{Event, EventKind};
use crate::domain::fact::Fact;
use crate::domain::money::Minor;
use crate::domain::person::Person;
use crate::domain::program::AgentCancel;
use crate::domain::reason::{Reason, ReasonCode, ReasonSource, Said};
use crate::domain::time::Moment;

impl Draft<'_> {
    /// Records what the shopper or an agent said.
    pub fn hear(&mut self, said: &Said, at: Moment) {
        let (code, source) = (said.code, said.source);
        let first = !self.cart.reasons.iter().any(|r| r.source == source);
        if first && source == ReasonSource::Reported {
            self.judge(code);
        }
        self.cart.reasons.retain(|r| r.source != source);
        let reason = Reason { code, source, confidence: 100, at };
        self.cart.reasons.push(reason);
        if let Some(abandonment) = &mut self.cart.last_abandonment
            && source >= abandonment.reason.source
        {
            abandonment.reason = reason;
        }
        if first {
            let (currency, value) = (self.cart.content.currency, self.value_at_stake());
            self.facts.push(Fact::ReasonFound { stage: self.cart.stage, code, source, currency, value, at });
        }
        if let Some(place) = said.survey {
            self.survey_shown();
            if !self.cart.heard.survey_answered {
                self.cart.heard.survey_answered = true;
                self.facts.push(Fact::SurveyAnswered { place });
            }
        }
        self.keep_comment(said, at);
        let event = Event { reason: Some(reason), ..self.event(EventKind::ReasonRecorded, at) };
        self.announce(&event);
    }

    /// The shopper's word against what we had inferred for this episode, where we had.
    pub(super) fn judge(&mut self, said: ReasonCode) {
        let since = self.cart.episode_started_at;
        let is_ours = |r: &&Reason| matches!(r.source, ReasonSource::InferredHard | ReasonSource::InferredSoft);
        let inferred = self.cart.reasons.iter().filter(is_ours).find(|r| r.at >= since);
        if let Some(inferred) = inferred {
            self.facts.push(Fact::ReasonJudged { code: inferred.code, agreed: inferred.code == said });
        }
    }

    /// What the current abandonment lost, or the cart would.
    fn value_at_stake(&self) -> Minor {
        let abandoned = self.cart.last_abandonment.filter(|a| a.abandoned_at >= self.cart.episode_started_at);
        abandoned.map_or_else(|| self.cart.content.value(), |abandonment| abandonment.value)
    }

    /// Words are counted; they are kept only where the shop says so.
    fn keep_comment(&mut self, said: &Said, at: Moment) {
        let Some(text) = &said.comment else { return };
        self.facts.push(Fact::CommentMade { source: said.source });
        if self.program.keep_comments {
            let comments = &mut self.cart.heard.comments;
            comments.retain(|comment| comment.source != said.source);
            comments.push(Comment { source: said.source, text: text.clone(), at });
        }
    }

    /// A survey was put before the shopper.
    pub fn survey_shown(&mut self) {
        if !self.cart.heard.survey_shown {
            self.cart.heard.survey_shown = true;
            self.facts.push(Fact::SurveyShown);
        }
    }

    /// The shopper's agent gives up the checkout. Nothing is left to wait for: what would be an abandonment after the idle
    /// window is one now, with the agent's reason. It is not the shopper's no to being reminded, unless the shop takes it
    /// for one: of "later" the protocol says itself that it asks for a follow-up.
    ///
    /// What was completed, or given up before, cannot be given up; anything else can, so that an agent is never refused
    /// for what only the shop knows.
    pub fn cancel(&mut self, said: Option<&Said>, at: Moment, person: &Person) -> Applied {
        let is_over = match &self.cart.state {
            State::PaymentPending { .. }
            | State::Converted { .. }
            | State::Reverted
            | State::Dismissed
            | State::Expired
            | State::Erased => true,
            State::Active { .. }
            | State::Abandoned { .. }
            | State::OptedOut
            | State::Suppressed { .. }
            | State::MergedInto(_) => {
                // Nothing was done since.
                self.cart.heard.cancelled_at.is_some_and(|before| before >= self.cart.last_activity_at)
            }
        };
        if is_over {
            return Applied::Closed;
        }
        self.cart.heard.cancelled_at = Some(at);
        if let Some(said) = said {
            self.hear(said, at);
        }
        let can_stall = matches!(self.cart.state, State::Active { .. }) && !self.cart.content.items.is_empty();
        match self.program.agent_cancel {
            AgentCancel::Dismiss if self.cart.state.is_open() => self.dismiss(at),
            AgentCancel::Abandon if can_stall => self.abandon(at, person),
            AgentCancel::Dismiss | AgentCancel::Abandon => {}
        }
        Applied::Applied
    }
}
