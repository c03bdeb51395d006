//! How shops share one look at what is due: none waits for another's backlog.
//!
//! Each gets an equal part of the places, and what one leaves empty the others use. Where there are more shops than
//! places, they take turns. Pure; never here: what is due.

/// Shops that share one look, at most.
pub const SHOPS_MAX: usize = 64;

/// Which of `count` shops a look is for, when it can be for `places` of them at most: all, or those whose turn it is.
pub fn whose(count: usize, places: usize, turn: usize) -> impl Iterator<Item = usize> {
    let places = places.clamp(1, SHOPS_MAX).min(count);
    let first = if count > places { turn.wrapping_mul(places) % count } else { 0 };
    (first..first + places).map(move |place| place % count)
}

/// How many of the `limit` places each gets, when it could use `found`: nobody more than another that could use more.
#[must_use]
pub fn shares(found: &[usize], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&shop| found[shop]);
    let mut shares = vec![0; found.len()];
    let mut rest = limit;
    for (served, &shop) in order.iter().enumerate() {
        shares[shop] = found[shop].min(rest.div_ceil(found.len() - served));
        rest -= shares[shop];
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_evenly_and_none_is_left_empty() {
        assert_eq!(shares(&[100], 10), [10]);
        assert_eq!(shares(&[100, 100], 10), [5, 5]);
        assert_eq!(shares(&[100, 3], 10), [7, 3]);
        assert_eq!(shares(&[1, 100, 2, 100], 20), [1, 9, 2, 8]);
        assert_eq!(shares(&[2, 2], 10), [2, 2]);
        assert_eq!(shares(&[5, 5, 5], 2), [1, 1, 0]);
        assert_eq!(shares(&[], 2), [] as [usize; 0]);
    }

    #[test]
    fn more_shops_than_places_take_turns() {
        let looks: Vec<Vec<usize>> = (0..5).map(|turn| whose(5, 2, turn).collect()).collect();
        assert_eq!(looks, [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]);
        assert_eq!(whose(3, 10, 7).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(whose(1, 0, 1).collect::<Vec<_>>(), [0]);
        assert_eq!(whose(0, 5, 1).count(), 0);
        assert_eq!(whose(1_000, 500, usize::MAX).count(), SHOPS_MAX);
    }
}
