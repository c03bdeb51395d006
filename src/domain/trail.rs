//! What is remembered of a cart's way, to be told later: the story of its decisions, and which reminders' links were
//! followed.
//!
//! Fed by the Facts of each decision, so that what is told and what is counted agree. Bounded, and nothing personal: a
//! story says what became of a cart, never whose it was. Nothing is decided by a story. Read next: `api/explain.rs`.

use super::attribution::Attribution;
use super::cart::{Cart, Stage, State, StateName};
use super::delivery::Why;
use super::fact::{Fact, ReminderResult};
use super::id::CartId;
use super::money::Minor;
use super::note::ReminderId;
use super::program::Program;
use super::reason::{ReasonCode, ReasonSource};
use super::time::Moment;

/// How many entries a story has at most; beyond, the oldest but the first goes.
pub const STORY_MAX: usize = 48;
/// How many reminders a cart remembers the links of; beyond, the oldest is forgotten.
pub const FOLLOWS_MAX: usize = 16;

/// One reminder of a cart: what a link in it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReminderRef {
    /// The number of the abandonment, from 1; 0 before any.
    pub abandonment: u32,
    /// Index into the program's steps at the time.
    pub step: u32,
}

impl ReminderRef {
    /// The reminder, with its cart.
    #[must_use]
    pub const fn of(self, cart: CartId) -> ReminderId {
        ReminderId { cart, abandonment: self.abandonment, step: self.step }
    }
}

impl From<&ReminderId> for ReminderRef {
    fn from(reminder: &ReminderId) -> Self {
        Self { abandonment: reminder.abandonment, step: reminder.step }
    }
}

/// That the link of a reminder was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    pub reminder: ReminderRef,
    /// First opened, by a shopper or by a machine that looks at links.
    pub touched_at: Option<Moment>,
    /// First told of by the storefront or by an order: a person.
    pub clicked_at: Option<Moment>,
}

/// What is remembered of a cart's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// In the order of the decisions, at most [`STORY_MAX`].
    pub story: Vec<StoryEntry>,
    /// Oldest first, at most [`FOLLOWS_MAX`].
    pub follows: Vec<Follow>,
}

/// One thing that became of a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoryEntry {
    /// To the second: when it happened, where that is known, else when it was decided.
    pub at: Moment,
    pub what: Told,
}

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The cart came into a state, where no other entry says more.
    Entered(StateName),
    Suppressed(Why),
    Stage(Stage),
    Abandoned {
        stage: Stage,
        value: Minor,
    },
    ReasonFound {
        code: ReasonCode,
        source: ReasonSource,
    },
    ReasonJudged {
        code: ReasonCode,
        agreed: bool,
    },
    Resumed,
    /// Some lines were bought elsewhere and left.
    Trimmed,
    /// A step came due. `step` is its index.
    Reminder {
        step: u32,
        result: ReminderResult,
        why: Option<Why>,
    },
    Converted(Attribution),
    Touched(ReminderRef),
    Clicked(ReminderRef),
}

impl Trail {
    /// Whether a person followed the link of this reminder.
    #[must_use]
    pub fn is_clicked(&self, reminder: ReminderRef) -> bool {
        self.follows.iter().any(|follow| follow.reminder == reminder && follow.clicked_at.is_some())
    }

    /// The last reminder whose link a person followed, and when.
    #[must_use]
    pub fn last_click(&self) -> Option<(ReminderRef, Moment)> {
        let clicks = self.follows.iter().filter_map(|follow| Some((follow.reminder, follow.clicked_at?)));
        clicks.max_by_key(|(_, at)| *at)
    }

    /// Notes that a link was opened; false when that was known.
    pub(super) fn touch(&mut self, reminder: ReminderRef, at: Moment) -> bool {
        first(&mut self.follow(reminder).touched_at, at)
    }

    /// Notes that a person followed a link; false when that was known.
    pub(super) fn click(&mut self, reminder: ReminderRef, at: Moment) -> bool {
        first(&mut self.follow(reminder).clicked_at, at)
    }

    fn follow(&mut self, reminder: ReminderRef) -> &mut Follow {
        let known = self.follows.iter().position(|follow| follow.reminder == reminder);
        let place = known.unwrap_or_else(|| {
            if self.follows.len() == FOLLOWS_MAX {
                self.follows.remove(0);
            }
            self.follows.push(Follow { reminder, touched_at: None, clicked_at: None });
            self.follows.len() - 1
        });
        &mut self.follows[place]
    }

    fn tell(&mut self, at: Moment, what: Told) {
        if self.story.len() >= STORY_MAX {
            self.story.remove(1);
        }
        self.story.push(StoryEntry { at: to_the_second(at), what });
    }
}

fn first(slot: &mut Option<Moment>, at: Moment) -> bool {
    let is_first = slot.is_none();
    slot.get_or_insert(at);
    is_first
}

fn to_the_second(at: Moment) -> Moment {
    Moment::from_millis(at.millis().div_euclid(1_000).saturating_mul(1_000))
}

/// Adds what these facts say to the story of their cart. `cart` is as it is after them.
pub fn note(cart: &mut Cart, facts: &[Fact], now: Moment, program: &Program) {
    if matches!(cart.state, State::Erased) {
        cart.trail = Trail::default();
        return;
    }
    for fact in facts {
        if let Some(what) = told(fact, cart, program) {
            cart.trail.tell(fact.happened_at().unwrap_or(now), what);
        }
    }
}

fn told(fact: &Fact, cart: &Cart, program: &Program) -> Option<Told> {
    Some(match fact {
        Fact::StateChanged { to: Some(to), from } => match (to, &cart.state) {
            // Each of these has a fact of its own that says more.
            (StateName::Abandoned | StateName::Converted, _) => return None,
            (StateName::Active, _) if *from == Some(StateName::Abandoned) => return None,
            (StateName::Suppressed, State::Suppressed { why }) => Told::Suppressed(*why),
            (state, _) => Told::Entered(*state),
        },
        Fact::StageEntered { stage } => Told::Stage(*stage),
        Fact::Abandoned { stage, value, .. } => Told::Abandoned { stage: *stage, value: *value },
        Fact::ReasonFound { code, source, .. } => Told::ReasonFound { code: *code, source: *source },
        Fact::ReasonJudged { code, agreed } => Told::ReasonJudged { code: *code, agreed: *agreed },
        Fact::Resumed => Told::Resumed,
        Fact::Reminder { step, result, why } => {
            Told::Reminder { step: program.index_of(step)?, result: *result, why: *why }
        }
        Fact::ReminderDeferred { step, why } => {
            Told::Reminder { step: program.index_of(step)?, result: ReminderResult::Deferred, why: Some(*why) }
        }
        Fact::CartTrimmed => Told::Trimmed,
        Fact::CartConverted { attribution, .. } => Told::Converted(*attribution),
        Fact::Touched { reminder, .. } => Told::Touched(*reminder),
        Fact::Clicked { reminder, .. } => Told::Clicked(*reminder),
        Fact::StateChanged { to: None, .. }
        | Fact::StagePassed { .. }
        | Fact::FunnelMoved { .. }
        | Fact::ReasonSettled { .. }
        | Fact::PaymentFailed { .. }
        | Fact::SurveyShown
        | Fact::SurveyAnswered { .. }
        | Fact::CommentMade { .. }
        | Fact::Unmapped { .. }
        | Fact::ErrorMet { .. }
        | Fact::OrderTook { .. }
        // What a delivery was given is told with the delivery.
        | Fact::IncentiveGiven { .. }
        | Fact::IncentiveWithheld { .. }
        | Fact::Exposed { .. }
        | Fact::SetApart { .. }
        | Fact::CartReverted
        | Fact::OrderPaid { .. }
        | Fact::OrderCredited { .. }
        | Fact::ExperimentConverted { .. }
        | Fact::ExperimentReverted { .. }
        | Fact::OrderReverted { .. }
        | Fact::DeliveryQueued { .. }
        | Fact::AttemptMade { .. }
        | Fact::DeliveryEnded { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reminder(step: u32) -> ReminderRef {
        ReminderRef { abandonment: 1, step }
    }

    #[test]
    fn a_story_keeps_its_beginning_and_its_latest() {
        let mut trail = Trail::default();
        for second in 0..100 {
            trail.tell(Moment::from_millis(second * 1_000 + 7), Told::Resumed);
        }
        assert_eq!(trail.story.len(), STORY_MAX);
        let at: Vec<i64> = trail.story.iter().map(|entry| entry.at.millis() / 1_000).collect();
        assert_eq!((at[0], at[1], at[STORY_MAX - 1]), (0, 53, 99));
    }

    #[test]
    fn a_link_is_touched_and_clicked_once_however_often_it_is_opened() {
        let mut trail = Trail::default();
        let at = Moment::from_millis;
        assert!(trail.touch(reminder(0), at(1)) && !trail.touch(reminder(0), at(2)));
        assert!(trail.click(reminder(0), at(3)) && !trail.click(reminder(0), at(4)));
        assert!(trail.click(reminder(1), at(2)));
        assert_eq!(trail.last_click(), Some((reminder(0), at(3))));
        assert!(trail.is_clicked(reminder(1)) && !trail.is_clicked(reminder(2)));
        for step in 2..40 {
            trail.touch(reminder(step), at(5));
        }
        assert_eq!(trail.follows.len(), FOLLOWS_MAX);
    }
}
