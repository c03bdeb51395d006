//! The lift estimate against shops whose truth is known: the interval covers it as often as it says.

use cartwake::domain::{ArmCount, ArmValue, lift, value_lift};

const RUNS: u32 = 1_000;
const PERSONS: u32 = 4_000;
/// What a held-out person buys with, and by how much reminders raise it.
const BASE: f64 = 0.08;

/// Even numbers between 0 and 1 (splitmix64): the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).expect("half of it")) / f64::from(u32::MAX)
    }
}

/// One experiment: a tenth is held out, the others buy more often by `effect`. A basket is between 10.00 and 110.00.
fn run(dice: &mut Dice, effect: f64) -> [(ArmCount, ArmValue); 2] {
    let mut arms = [(ArmCount::default(), ArmValue::default()); 2];
    for _ in 0..PERSONS {
        let treated = dice.roll() >= 0.1;
        let (count, value) = &mut arms[usize::from(treated)];
        count.persons += 1;
        if dice.roll() < if treated { BASE + effect } else { BASE } {
            let basket = 1_000.0 + 10_000.0 * dice.roll();
            count.buyers += 1;
            value.sum += basket;
            value.squares += basket * basket;
        }
    }
    arms
}

/// How many of a thousand intervals cover the truth: for the share who buys, and for the value of a person.
fn covered(effect: f64) -> (u32, u32) {
    let mut dice = Dice(7);
    let (mut shares, mut values) = (0, 0);
    for _ in 0..RUNS {
        let [control, treated] = run(&mut dice, effect);
        let share = lift(control.0, treated.0).expect("enough persons and buyers");
        let value = value_lift(control, treated).expect("enough persons and buyers");
        shares += u32::from(share.low <= effect && effect <= share.high);
        let worth = effect * 6_000.0;
        values += u32::from(value.low <= worth && worth <= value.high);
    }
    (shares, values)
}

#[test]
fn the_interval_covers_a_known_effect_in_ninety_five_of_a_hundred_shops() {
    let (shares, values) = covered(0.03);
    assert!((930..=970).contains(&shares), "{shares} of {RUNS} for the share of buyers");
    assert!((930..=970).contains(&values), "{values} of {RUNS} for the value");
}

#[test]
fn where_reminders_change_nothing_the_interval_says_so() {
    let (shares, values) = covered(0.0);
    assert!((930..=970).contains(&shares), "{shares} of {RUNS} for the share of buyers");
    assert!((930..=970).contains(&values), "{values} of {RUNS} for the value");
}
