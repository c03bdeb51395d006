//! Calls that act for several at once: who goes together, and how each gets its own answer again.
//!
//! What shares a shard can share a call; each is still one atomic step with an answer of its own. Read next:
//! `redis/script.rs`.

use redis::Value;

use super::script::TOGETHER_MAX;
use crate::store::{StoreError, StoreResult};

/// Redis said something that no script of ours says.
pub const NO_ANSWER: StoreError = StoreError::Corrupt { what: "answer" };

/// The one answer to one question.
pub fn only<T>(mut answers: Vec<StoreResult<T>>) -> StoreResult<T> {
    answers.pop().unwrap_or(Err(NO_ANSWER))
}

/// Those of one place, in their order and at most [`TOGETHER_MAX`], by their index.
pub fn together<P: PartialEq>(places: impl Iterator<Item = P>) -> Vec<(P, Vec<usize>)> {
    let mut groups: Vec<(P, Vec<usize>)> = Vec::new();
    for (index, place) in places.enumerate() {
        let open = groups.iter_mut().rev().find(|(of, indices)| *of == place && indices.len() < TOGETHER_MAX);
        match open {
            Some((_, indices)) => indices.push(index),
            None => groups.push((place, vec![index])),
        }
    }
    groups
}

/// The answers of calls for such groups, each where it belongs.
pub fn scatter<P>(
    count: usize,
    groups: &[(P, Vec<usize>)],
    answers: Vec<StoreResult<Vec<Value>>>,
) -> Vec<StoreResult<Value>> {
    let mut each: Vec<StoreResult<Value>> = Vec::new();
    each.resize_with(count, || Err(NO_ANSWER));
    for ((_, indices), answers) in groups.iter().zip(answers) {
        let answers = match answers {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) => all_failed(indices.len(), error),
        };
        for (&index, answer) in indices.iter().zip(answers) {
            each[index] = answer;
        }
    }
    each
}

/// One failure that is everybody's.
pub fn all_failed<T>(count: usize, error: StoreError) -> Vec<StoreResult<T>> {
    let again = match &error {
        StoreError::Full => || StoreError::Full,
        StoreError::Unavailable(_)
        | StoreError::Corrupt { .. }
        | StoreError::Newer { .. }
        | StoreError::Unusable(_) => || StoreError::Unavailable(anyhow::anyhow!("the call that it shared failed")),
    };
    std::iter::once(Err(error)).chain((1..count).map(|_| Err(again()))).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_one_place_go_together_and_never_too_many() {
        let groups = together("abacb".chars());
        assert_eq!(groups, [('a', vec![0, 2]), ('b', vec![1, 4]), ('c', vec![3])]);
        let sizes: Vec<usize> = together((0..120).map(|_| 'x')).iter().map(|(_, indices)| indices.len()).collect();
        assert_eq!(sizes, [50, 50, 20]);
    }

    #[test]
    fn each_gets_its_own_answer_and_a_failure_only_those_who_shared_it() {
        let groups = [('a', vec![0, 2]), ('b', vec![1])];
        let answers = vec![Ok(vec![Value::Int(10), Value::Int(12)]), Err(StoreError::Full)];
        let each: Vec<Option<Value>> = scatter(4, &groups, answers).into_iter().map(Result::ok).collect();
        assert_eq!(each, [Some(Value::Int(10)), None, Some(Value::Int(12)), None]);
    }
}
