//! Query strings: known parameters only, each once.
//!
//! Most calls know only `shop`. What a value must be is checked where it is used.

use actix_web::web::Query as Pairs;

use super::faults::{At, Faults};
use super::problem::{Kind, Problem};

/// The parameters of a call.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    /// 400 for a parameter that is not known, or given twice.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Problem> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let bad = |_| Problem::new(Kind::InvalidQuery, "The query string cannot be decoded.");
        let pairs = Pairs::<Vec<(String, String)>>::from_query(text).map_err(bad)?.into_inner();
        let mut faults = Faults::none();
        for (place, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                faults.add(&At::Root.field(name), "is not a known parameter");
            } else if pairs.iter().take(place).any(|(earlier, _)| earlier == name) {
                faults.add(&At::Root.field(name), "must not be given twice");
            }
        }
        if faults.is_empty() { Ok(Self(pairs)) } else { Err(Self::refuse(faults)) }
    }

    /// The problem with these parameters.
    #[must_use]
    pub fn refuse(faults: Faults) -> Problem {
        Problem::with_faults(Kind::InvalidQuery, faults.into_vec())
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_doubled_parameters_are_named() {
        let problem = Query::parse("shop=a&shop=b&x=1", &["shop"]).expect_err("two faults");
        let pointers: Vec<_> = problem.errors().iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/shop", "/x"]);
        let query = Query::parse("shop=a%2Db", &["shop"]).expect("known");
        assert_eq!(query.get("shop"), Some("a-b"));
    }
}
