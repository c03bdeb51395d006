//! What is remembered of a cart's way, as stored: a story is one flat list of small numbers, some five bytes an entry.
//!
//! An entry is its code, the seconds since the entry before it (zigzag; the first counts from the cart's creation), and
//! what its code says comes then. Codes are append-only. A story that goes on in a way that is not known here is cut
//! there: it is told, never decided by.

use serde::{Deserialize, Serialize};

use super::code::Coded;
use super::content::minor;
use crate::domain::{Follow, Moment, ReminderRef, StoryEntry, Told, Trail, Why};

const NO_WHY: u64 = 0;

#[derive(Default, Serialize, Deserialize)]
pub struct TrailRecord {
    story: Vec<u64>,
    /// Abandonment, step, touched at, clicked at.
    #[serde(default)]
    follows: Vec<(u32, u32, Option<i64>, Option<i64>)>,
}

impl TrailRecord {
    pub fn of(trail: &Trail, created_at: Moment) -> Self {
        let mut story = Vec::with_capacity(trail.story.len() * 4);
        let mut before = seconds(created_at);
        for entry in &trail.story {
            write(&mut story, entry, before);
            before = seconds(entry.at);
        }
        let follow = |follow: &Follow| {
            let ReminderRef { abandonment, step } = follow.reminder;
            (abandonment, step, follow.touched_at.map(Moment::millis), follow.clicked_at.map(Moment::millis))
        };
        Self { story, follows: trail.follows.iter().map(follow).collect() }
    }

    pub fn into_trail(self, created_at: Moment) -> Trail {
        let mut numbers = self.story.into_iter();
        let mut story = Vec::new();
        let mut before = seconds(created_at);
        while let Some(entry) = read(&mut numbers, before) {
            before = seconds(entry.at);
            story.push(entry);
        }
        let follow = |(abandonment, step, touched_at, clicked_at): (u32, u32, Option<i64>, Option<i64>)| Follow {
            reminder: ReminderRef { abandonment, step },
            touched_at: touched_at.map(Moment::from_millis),
            clicked_at: clicked_at.map(Moment::from_millis),
        };
        Trail { story, follows: self.follows.into_iter().map(follow).collect() }
    }
}

const fn seconds(at: Moment) -> i64 {
    at.millis().div_euclid(1_000)
}

const fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn write(story: &mut Vec<u64>, entry: &StoryEntry, before: i64) {
    let member = |code: u8| u64::from(code);
    let (code, rest): (u64, [Option<u64>; 3]) = match entry.what {
        Told::Entered(state) => (0, [Some(member(state.code())), None, None]),
        Told::Suppressed(why) => (1, [Some(member(why.code())), None, None]),
        Told::Stage(stage) => (2, [Some(member(stage.code())), None, None]),
        Told::Abandoned { stage, value } => (3, [Some(member(stage.code())), Some(value.get()), None]),
        Told::ReasonFound { code, source } => (4, [Some(member(code.code())), Some(member(source.code())), None]),
        Told::ReasonJudged { code, agreed } => (5, [Some(member(code.code())), Some(u64::from(agreed)), None]),
        Told::Resumed => (6, [None; 3]),
        Told::Reminder { step, result, why } => {
            let why = why.map_or(NO_WHY, |why| member(why.code()) + 1);
            (7, [Some(u64::from(step)), Some(member(result.code())), Some(why)])
        }
        Told::Trimmed => (11, [None; 3]),
        Told::Converted(attribution) => (8, [Some(member(attribution.code())), None, None]),
        Told::Touched(reminder) => (9, [Some(u64::from(reminder.abandonment)), Some(u64::from(reminder.step)), None]),
        Told::Clicked(reminder) => (10, [Some(u64::from(reminder.abandonment)), Some(u64::from(reminder.step)), None]),
    };
    story.extend([code, zigzag(seconds(entry.at).wrapping_sub(before))]);
    story.extend(rest.into_iter().flatten());
}

fn read(numbers: &mut impl Iterator<Item = u64>, before: i64) -> Option<StoryEntry> {
    let code = numbers.next()?;
    let at = before.wrapping_add(unzigzag(numbers.next()?));
    let what = match code {
        0 => Told::Entered(member(numbers)?),
        1 => Told::Suppressed(member(numbers)?),
        2 => Told::Stage(member(numbers)?),
        3 => Told::Abandoned { stage: member(numbers)?, value: minor(numbers.next()?)? },
        4 => Told::ReasonFound { code: member(numbers)?, source: member(numbers)? },
        5 => Told::ReasonJudged { code: member(numbers)?, agreed: numbers.next()? == 1 },
        6 => Told::Resumed,
        7 => Told::Reminder { step: number(numbers)?, result: member(numbers)?, why: why(numbers.next()?)? },
        8 => Told::Converted(member(numbers)?),
        9 => Told::Touched(reminder(numbers)?),
        10 => Told::Clicked(reminder(numbers)?),
        11 => Told::Trimmed,
        _ => return None,
    };
    Some(StoryEntry { at: Moment::from_millis(at.saturating_mul(1_000)), what })
}

fn number(numbers: &mut impl Iterator<Item = u64>) -> Option<u32> {
    u32::try_from(numbers.next()?).ok()
}

fn member<T: Coded>(numbers: &mut impl Iterator<Item = u64>) -> Option<T> {
    T::from_code(u8::try_from(numbers.next()?).ok()?)
}

#[expect(clippy::option_option, reason = "no why, and one that cannot be read, are two things")]
fn why(number: u64) -> Option<Option<Why>> {
    if number == NO_WHY { Some(None) } else { Why::from_code(u8::try_from(number - 1).ok()?).map(Some) }
}

fn reminder(numbers: &mut impl Iterator<Item = u64>) -> Option<ReminderRef> {
    Some(ReminderRef { abandonment: number(numbers)?, step: number(numbers)? })
}
