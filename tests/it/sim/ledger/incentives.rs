//! No code goes with two reminders, and no reminder with two codes, whatever processes they are sent by.

use cartwake::domain::{Cart, Delivery, Grant};

use super::Ledger;

impl Ledger {
    /// Every POST of a reminder bears the same code, and no other reminder ever bore it.
    pub(super) fn no_code_is_given_twice(&mut self, delivery: &Delivery, cart: Option<&Cart>) {
        let Some(cart) = cart.filter(|_| delivery.is_reminder()) else { return };
        match &delivery.incentive {
            Some(Grant::Given(offer)) => {
                self.saw("incentive", &"given");
                // A cart id may be used again: when the cart was made tells them apart.
                let (event, made_at) = (delivery.event.about(), cart.created_at.millis());
                let reminder = format!("{} {made_at} {event}", delivery.cart);
                let code = offer.code.reveal().to_owned();
                let owner = self.codes.entry(code.clone()).or_insert_with(|| reminder.clone()).clone();
                if owner != reminder {
                    self.broke("no code is given twice", &format_args!("{code} to {owner} and to {reminder}"));
                }
                let known = self.grants.entry(reminder.clone()).or_insert_with(|| code.clone()).clone();
                if known != code {
                    self.broke("a reminder has one code", &format_args!("{reminder}: {known} and {code}"));
                }
                self.count("codes sent");
            }
            Some(Grant::Withheld { why, .. }) => self.saw("incentive", why),
            None => {}
        }
    }
}
