//! Lift: what the reminders changed, as the difference between persons who may get them and persons who never do.
//!
//! - Share of persons who bought: the difference of two proportions with Newcombe's hybrid score interval (R. G.
//!   Newcombe, Statistics in Medicine 17, 1998, 873-890, method 10), which is Wilson's interval for each arm, combined.
//! - Value for each person: the difference of two means with Welch's interval (B. L. Welch, Biometrika 34, 1947, 28-35);
//!   who bought nothing counts with zero.
//!
//! Both are two-sided at 95 %. Counted by person, as they were assigned; never by message. Below [`PERSONS_MIN`] persons
//! or [`BUYERS_MIN`] buyers in an arm no interval is given: it would say nothing and be read all the same.

/// In each arm, before a difference is shown.
pub const PERSONS_MIN: i64 = 100;
/// In each arm, before a difference is shown.
pub const BUYERS_MIN: i64 = 5;
/// The standard normal quantile at 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

/// One arm of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArmCount {
    /// Persons who came into the experiment in this arm.
    pub persons: i64,
    /// Those of them who bought.
    pub buyers: i64,
}

/// The value of an arm in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArmValue {
    /// The sum over its persons, minor units.
    pub sum: f64,
    /// The sum of the squares of what each person spent.
    pub squares: f64,
}

/// A difference, treated less control, and the interval that covers the true one in 95 of 100 experiments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

/// Whether both arms have enough persons and buyers to be compared.
#[must_use]
pub fn is_enough(control: ArmCount, treated: ArmCount) -> bool {
    [control, treated].iter().all(|arm| arm.persons >= PERSONS_MIN && arm.buyers >= BUYERS_MIN)
}

/// By how much the share of persons who bought is higher among the treated; `None` while there is not enough data.
#[must_use]
pub fn lift(control: ArmCount, treated: ArmCount) -> Option<Difference> {
    if !is_enough(control, treated) {
        return None;
    }
    let (share_c, low_c, high_c) = wilson(control);
    let (share_t, low_t, high_t) = wilson(treated);
    let estimate = share_t - share_c;
    Some(Difference {
        estimate,
        low: estimate - (share_t - low_t).hypot(high_c - share_c),
        high: estimate + (high_t - share_t).hypot(share_c - low_c),
    })
}

/// By how much a treated person spent more; `None` while there is not enough data.
#[must_use]
pub fn value_lift(control: (ArmCount, ArmValue), treated: (ArmCount, ArmValue)) -> Option<Difference> {
    if !is_enough(control.0, treated.0) {
        return None;
    }
    let (mean_c, error_c, freedom_c) = mean(control);
    let (mean_t, error_t, freedom_t) = mean(treated);
    let error = error_c + error_t;
    let estimate = mean_t - mean_c;
    let freedom = error * error / (error_c * error_c / freedom_c + error_t * error_t / freedom_t);
    let margin = if error > 0.0 { student(freedom) * error.sqrt() } else { 0.0 };
    Some(Difference { estimate, low: estimate - margin, high: estimate + margin })
}

#[expect(clippy::cast_precision_loss, reason = "counts of persons stay far below 2^53")]
const fn number(count: i64) -> f64 {
    count as f64
}

/// The share of an arm, and Wilson's score interval around it.
fn wilson(arm: ArmCount) -> (f64, f64, f64) {
    let (n, share) = (number(arm.persons), number(arm.buyers) / number(arm.persons));
    let middle = share + Z * Z / (2.0 * n);
    let margin = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (share, (middle - margin) / scale, (middle + margin) / scale)
}

/// The mean, its squared standard error, and its degrees of freedom.
fn mean((arm, value): (ArmCount, ArmValue)) -> (f64, f64, f64) {
    let n = number(arm.persons);
    let mean = value.sum / n;
    let variance = ((value.squares - n * mean * mean) / (n - 1.0)).max(0.0);
    (mean, variance / n, n - 1.0)
}

/// Student's quantile at 97.5 %, by the expansion of Abramowitz and Stegun 26.7.5; to 4 digits from 20 degrees on, and
/// [`PERSONS_MIN`] gives at least 99.
fn student(freedom: f64) -> f64 {
    let z3 = Z.powi(3);
    let first = (z3 + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * z3 + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * z3 - 15.0 * Z) / 384.0;
    Z + first / freedom + second / (freedom * freedom) + third / freedom.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} for {expected}");
    }

    #[test]
    fn newcombes_own_example_comes_out() {
        // His table II (a): 56 of 70 against 48 of 80, method 10: 0.0524 to 0.3339. The floor on persons is for reports.
        let (one, other) = (ArmCount { persons: 70, buyers: 56 }, ArmCount { persons: 80, buyers: 48 });
        let (share_t, low_t, high_t) = wilson(one);
        let (share_c, low_c, high_c) = wilson(other);
        let estimate = share_t - share_c;
        near(estimate - (share_t - low_t).hypot(high_c - share_c), 0.0524, 5e-5);
        near(estimate + (high_t - share_t).hypot(share_c - low_c), 0.3339, 5e-5);
    }

    #[test]
    fn students_quantile_is_that_of_the_tables() {
        near(student(20.0), 2.086, 5e-4);
        near(student(99.0), 1.9842, 5e-5);
        near(student(1e9), Z, 1e-6);
    }

    #[test]
    fn too_few_persons_or_buyers_give_no_difference() {
        let plenty = ArmCount { persons: 1_000, buyers: 50 };
        for thin in [ArmCount { persons: 99, buyers: 50 }, ArmCount { persons: 1_000, buyers: 4 }, ArmCount::default()]
        {
            assert_eq!(lift(thin, plenty), None);
            assert_eq!(lift(plenty, thin), None);
            assert_eq!(value_lift((thin, ArmValue::default()), (plenty, ArmValue::default())), None);
        }
    }

    #[test]
    fn a_difference_of_means_has_welchs_interval() {
        // 100 persons each: half spend 200 against half spend 100. Variances 10,101.01 and 2,525.25, error² 126.26,
        // 145.6 degrees of freedom, t 1.97640: 50 ± 22.208.
        let arm = ArmCount { persons: 100, buyers: 50 };
        let value = |spent: f64| ArmValue { sum: 50.0 * spent, squares: 50.0 * spent * spent };
        let found = value_lift((arm, value(100.0)), (arm, value(200.0))).expect("enough");
        near(found.estimate, 50.0, 1e-9);
        near(found.high - found.estimate, 22.208, 5e-3);
        near(found.estimate - found.low, 22.208, 5e-3);
    }

    #[test]
    fn arms_that_are_alike_have_an_interval_around_zero() {
        let arm = ArmCount { persons: 500, buyers: 40 };
        let found = lift(arm, arm).expect("enough");
        near(found.estimate, 0.0, 1e-12);
        near(found.low, -found.high, 1e-12);
        assert!(found.high > 0.02 && found.high < 0.05);
    }
}
