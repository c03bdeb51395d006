//! A payment that is on its way is reminded of while it is, and once.

use cartwake::domain::{Cart, Delivery, ReminderId, State};

use super::Ledger;
use super::purchases::names;

impl Ledger {
    /// No send of it starts for a cart that waits for no payment, or for that of another order.
    pub(super) fn a_payment_is_reminded_of_while_it_is_on_its_way(&mut self, delivery: &Delivery, cart: Option<&Cart>) {
        if !delivery.is_of_payment() {
            return;
        }
        self.count("sends of payments");
        let order = |order: &Option<cartwake::domain::OrderBrief>| order.as_ref().map(|order| order.id.clone());
        let is_awaited = cart.is_some_and(|cart| {
            matches!(cart.state, State::PaymentPending { .. }) && order(&cart.order) == order(&delivery.event.order)
        });
        if !is_awaited {
            self.broke("a payment is reminded of while it is on its way", &delivery.id);
        }
    }

    /// Whatever carts an order closed, each person hears of its payment from one of them.
    pub(super) fn a_payment_is_reminded_of_once(&mut self, delivery: &Delivery, cart: Option<&Cart>) {
        let Some(order) = delivery.event.order.as_ref().filter(|_| delivery.is_of_payment()) else { return };
        let (Some(reminder), Some(cart)) = (ReminderId::of(delivery), cart) else { return };
        for name in names(&cart.content.shopper) {
            let first = self.payments.entry((name.clone(), order.id.clone())).or_insert_with(|| reminder.clone());
            if *first != reminder {
                let how = format!("{name} of order {} by {first:?} and {reminder:?}", order.id);
                self.broke("a payment is reminded of once", &how);
            }
        }
    }
}
