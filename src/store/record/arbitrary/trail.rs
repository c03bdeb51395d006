//! Any story, and any links followed.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::{attribution, minor, moment, stage};
use crate::domain::*;

fn reminder_ref() -> impl Strategy<Value = ReminderRef> {
    (any::<u32>(), any::<u32>()).prop_map(|(abandonment, step)| ReminderRef { abandonment, step })
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        select(StateName::ALL).prop_map(Told::Entered),
        select(Why::ALL).prop_map(Told::Suppressed),
        stage().prop_map(Told::Stage),
        (stage(), minor()).prop_map(|(stage, value)| Told::Abandoned { stage, value }),
        (select(ReasonCode::ALL), select(ReasonSource::ALL))
            .prop_map(|(code, source)| Told::ReasonFound { code, source }),
        (select(ReasonCode::ALL), any::<bool>()).prop_map(|(code, agreed)| Told::ReasonJudged { code, agreed }),
        Just(Told::Resumed),
        Just(Told::Trimmed),
        (any::<u32>(), select(ReminderResult::ALL), of(select(Why::ALL)))
            .prop_map(|(step, result, why)| Told::Reminder { step, result, why }),
        attribution().prop_map(Told::Converted),
        reminder_ref().prop_map(Told::Touched),
        reminder_ref().prop_map(Told::Clicked),
    ]
}

/// A story is told to the second.
pub fn trail() -> impl Strategy<Value = Trail> {
    let second = (i64::MIN / 1_000..=i64::MAX / 1_000).prop_map(|seconds| Moment::from_millis(seconds * 1_000));
    let entry = (second, told()).prop_map(|(at, what)| StoryEntry { at, what });
    let follow = (reminder_ref(), of(moment()), of(moment())).prop_map(|(reminder, touched_at, clicked_at)| Follow {
        reminder,
        touched_at,
        clicked_at,
    });
    (vec(entry, 0..6), vec(follow, 0..4)).prop_map(|(story, follows)| Trail { story, follows })
}
