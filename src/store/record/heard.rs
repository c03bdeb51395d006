//! What was said about a cart, as stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::Coded;
use crate::domain::{Comment, Heard, Moment, PersonalText, ReasonSource};

#[derive(Serialize, Deserialize)]
pub struct HeardRecord<'a> {
    survey_shown: bool,
    survey_answered: bool,
    cancelled_at: Option<i64>,
    /// Source, words, moment.
    #[serde(borrow)]
    comments: Vec<(u8, Cow<'a, str>, i64)>,
}

impl<'a> HeardRecord<'a> {
    /// Of most carts nothing is to be stored.
    pub fn of(heard: &'a Heard) -> Option<Self> {
        if *heard == Heard::default() {
            return None;
        }
        let comment = |c: &'a Comment| (c.source.code(), Cow::Borrowed(c.text.reveal()), c.at.millis());
        Some(Self {
            survey_shown: heard.survey_shown,
            survey_answered: heard.survey_answered,
            cancelled_at: heard.cancelled_at.map(Moment::millis),
            comments: heard.comments.iter().map(comment).collect(),
        })
    }

    pub fn into_heard(self) -> Option<Heard> {
        let comment = |(source, text, at): (u8, Cow<'_, str>, i64)| {
            let source = ReasonSource::from_code(source)?;
            Some(Comment { source, text: PersonalText::new(&text), at: Moment::from_millis(at) })
        };
        Some(Heard {
            survey_shown: self.survey_shown,
            survey_answered: self.survey_answered,
            cancelled_at: self.cancelled_at.map(Moment::from_millis),
            comments: self.comments.into_iter().map(comment).collect::<Option<_>>()?,
        })
    }
}
