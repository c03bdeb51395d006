//! A decision in the making: the cart as it will be, and what became true on the way.
//!
//! Each method is one transition of the life of a cart. They are called by `domain/decide.rs`, which knows when; this
//! file knows what a transition entails.

mod said;

use super::attribution::Credit;
use super::cart::{Abandonment, Cart, Heard, Past, Stage, StageSet, State, StateName};
use super::content::Content;
use super::delivery::{Delivery, Event, EventKind, OrderBrief, Why};
use super::fact::{Ending, Fact};
use super::funnel::FunnelCell;
use super::id::{CartId, ShopId, StepName};
use super::order::OrderNews;
use super::person::{Person, PurchaseMark};
use super::program::Program;
use super::reason::{Reason, ReasonCode, ReasonSource};
use super::rules;
use super::send::STATE_EVENT_LIFE;
use super::time::Moment;
use super::trail::{ReminderRef, Trail};

pub struct Draft<'a> {
    pub cart: Cart,
    pub facts: Vec<Fact>,
    pub outbox: Vec<Delivery>,
    pub program: &'a Program,
    pub now: Moment,
    /// Where the cart lay in the funnel before this decision.
    pub lay_in: Option<FunnelCell>,
}

impl<'a> Draft<'a> {
    pub fn of(cart: Cart, now: Moment, program: &'a Program) -> Self {
        let lay_in = FunnelCell::of(&cart);
        Self { cart, facts: Vec::new(), outbox: Vec::new(), program, now, lay_in }
    }

    /// A cart that was never seen before.
    pub fn born(shop: &ShopId, id: &CartId, content: Content, at: Moment, now: Moment, program: &'a Program) -> Self {
        let cart = Cart {
            shop: shop.clone(),
            id: id.clone(),
            state: State::Active { stalls_at: None },
            stage: Stage::Browse,
            stages: StageSet::default(),
            content,
            signals: Vec::new(),
            reasons: Vec::new(),
            created_at: at,
            last_activity_at: at,
            items_changed_at: at,
            occurred_at: at,
            revision: None,
            episode_started_at: at,
            abandonments: 0,
            last_abandonment: None,
            reminders: Vec::new(),
            order: None,
            expires_at: at,
            stage_since: at,
            heard: Heard::default(),
            furthest_at: at,
            trail: Trail::default(),
            past: Past::default(),
        };
        let mut draft = Self { lay_in: None, ..Self::of(cart, now, program) };
        draft.facts.push(Fact::StateChanged { from: None, to: Some(StateName::Active) });
        draft
    }

    fn enter(&mut self, state: State) {
        let (from, to) = (self.cart.state.name(), state.name());
        if self.cart.state.is_open()
            && let (Some(ending), Some(last)) = (Ending::of(&state), self.cart.last_abandonment)
        {
            let Reason { code, source, .. } = last.reason;
            self.facts.push(Fact::ReasonSettled { code, source, ending });
        }
        self.cart.state = state;
        if from != to {
            self.facts.push(Fact::StateChanged { from: Some(from), to: Some(to) });
        }
    }

    /// The shopper showed a sign of life: the idle window starts anew, and an abandonment ends.
    pub fn activity(&mut self, at: Moment) {
        self.cart.last_activity_at = self.cart.last_activity_at.max(at);
        // Late news of what the shopper did before does not mean that they are back.
        let is_back = self.cart.last_abandonment.is_some_and(|last| at >= last.abandoned_at);
        if is_back && matches!(self.cart.state, State::Abandoned { .. }) {
            self.cart.episode_started_at = at;
            self.enter(State::Active { stalls_at: None });
            self.facts.push(Fact::Resumed);
            self.tell(EventKind::Resumed, at);
        }
    }

    /// An error that was just kept with the signals: counted unless this idle episode had one of its kind before, so that
    /// a browser that tries again and again counts once.
    pub fn meet_error(&mut self, code: ReasonCode, at: Moment) {
        let cart = &self.cart;
        let of_episode =
            cart.signals.iter().filter(|s| s.at >= cart.episode_started_at && s.kind.error() == Some(code));
        if at >= cart.episode_started_at && of_episode.take(2).count() == 1 {
            self.facts.push(Fact::ErrorMet { stage: cart.stage, code, at });
        }
    }

    /// The link of a reminder was opened: counted once, and nothing else. True when it was news.
    pub fn touch(&mut self, reminder: ReminderRef, at: Moment) -> bool {
        let is_news = self.cart.trail.touch(reminder, at);
        if is_news {
            let step = self.name_of(reminder);
            self.facts.push(Fact::Touched { reminder, step });
        }
        is_news
    }

    /// A person came back by the link of a reminder: counted once.
    pub fn click(&mut self, reminder: ReminderRef, at: Moment) {
        if self.cart.trail.click(reminder, at) {
            let step = self.name_of(reminder);
            self.facts.push(Fact::Clicked { reminder, step });
        }
    }

    /// The step of a reminder, while the program has it.
    fn name_of(&self, reminder: ReminderRef) -> Option<StepName> {
        let reason = self.cart.last_abandonment.map_or(ReasonCode::Unknown, |last| last.reason.code);
        self.program.step(reason, reminder.step).map(|step| step.name.clone())
    }

    pub fn enter_stage(&mut self, stage: Stage, at: Moment) {
        if stage != self.cart.stage {
            self.cart.stage_since = at;
        }
        self.cart.stage = stage;
        let furthest = self.cart.stages.furthest();
        if self.cart.stages.enter(stage) {
            self.facts.push(Fact::StageEntered { stage });
        }
        if furthest < Some(stage) {
            self.pass_stage(furthest, at);
            self.cart.furthest_at = at;
        }
    }

    /// Derives the moments from the state: when it stalls and when it expires. The last act of every decision.
    pub fn set_moments(&mut self) {
        let cart = &mut self.cart;
        if let State::Active { stalls_at } = &mut cart.state {
            let window = self.program.idle.of(cart.stage).filter(|_| !cart.content.items.is_empty());
            *stalls_at = window.map(|window| cart.last_activity_at.plus(window));
        }
        let retention = &self.program.retention;
        cart.expires_at = match &cart.state {
            // The clock of a tombstone starts when it becomes one.
            State::Expired | State::Erased => return,
            // A shop empties the cart when the order is placed, and a bank transfer takes days.
            State::Converted { .. } | State::Reverted | State::PaymentPending { .. } => {
                cart.last_activity_at.plus(retention.converted)
            }
            State::Active { .. }
            | State::Abandoned { .. }
            | State::Dismissed
            | State::OptedOut
            | State::Suppressed { .. }
            | State::MergedInto(_) => {
                let class = if cart.content.items.is_empty() {
                    retention.empty
                } else if cart.content.shopper.has_contact() {
                    retention.contact
                } else {
                    retention.anonymous
                };
                cart.last_activity_at.plus(class)
            }
        };
    }

    /// The idle window ended at `at`: a new numbered abandonment, with the reason known by then.
    pub fn abandon(&mut self, at: Moment, person: &Person) {
        let inferred = rules::infer(&self.cart, &self.program.rules).into_iter().next().map_or_else(
            || Reason::unknown(at),
            |f| Reason { code: f.code, source: f.source, confidence: f.confidence, at },
        );
        let said = self.cart.primary_reason().filter(|r| r.source > ReasonSource::InferredHard).copied();
        self.cart.reasons.retain(|r| r.source > ReasonSource::InferredHard);
        self.cart.reasons.push(inferred);
        self.cart.abandonments += 1;
        let value = self.cart.content.value();
        let stage = self.cart.stage;
        let reason = said.unwrap_or(inferred);
        let abandonment = Abandonment { number: self.cart.abandonments, abandoned_at: at, stage, value, reason };
        self.cart.last_abandonment = Some(abandonment);
        let currency = self.cart.content.currency;
        self.enter(State::Abandoned { next_step: self.step_after(None, &abandonment, person) });
        self.facts.push(Fact::Abandoned { stage, currency, value, at });
        let Reason { code, source, .. } = inferred;
        self.facts.push(Fact::ReasonFound { stage, code, source, currency, value, at });
        // An exit survey is answered before the silence that makes an abandonment.
        if let Some(said) = said.filter(|said| said.source == ReasonSource::Reported) {
            self.judge(said.code);
        }
        self.tell(EventKind::Abandoned, at);
    }

    /// A paid order settles the cart.
    pub fn convert(&mut self, order: OrderBrief, placed_at: Moment, person: &Person) {
        let attribution = Credit::judge(&self.cart, person, placed_at, self.program).attribution;
        self.time_order(placed_at);
        self.cart.last_activity_at = self.cart.last_activity_at.max(placed_at);
        self.cart.order = Some(order.clone());
        self.enter(State::Converted { attribution });
        self.facts.push(Fact::CartConverted { attribution, at: placed_at });
        let kind = if attribution.is_recovered() { EventKind::Recovered } else { EventKind::Converted };
        let event = Event { order: Some(order), ..self.event(kind, placed_at) };
        self.announce(&event);
    }

    /// An order covers some of the lines: they go, and the rest stays alive.
    pub fn trim(&mut self, mark: &PurchaseMark) -> bool {
        let is_trimmed = self.cart.trim(mark);
        if is_trimmed {
            self.facts.push(Fact::CartTrimmed);
        }
        is_trimmed
    }

    /// The same for all that the person is known to have bought.
    pub fn trim_by(&mut self, person: &Person) {
        for mark in &person.marks {
            self.trim(mark);
        }
    }

    /// Lives on in another cart from now on.
    pub fn merge_into(&mut self, other: &CartId) {
        self.enter(State::MergedInto(other.clone()));
    }

    /// An order settles the cart and its payment is on its way. The same news once more changes nothing about its reminder.
    pub fn await_payment(&mut self, order: OrderBrief, placed_at: Moment) {
        self.cart.last_activity_at = self.cart.last_activity_at.max(placed_at);
        let next_step = match (&self.cart.state, &self.cart.order) {
            (State::PaymentPending { next_step }, Some(known)) if known.id == order.id => *next_step,
            _ => self.step_of_payment(placed_at),
        };
        self.cart.order = Some(order);
        self.enter(State::PaymentPending { next_step });
    }

    /// The payment that was on its way failed: the cart is open again.
    pub fn reopen(&mut self, at: Moment) {
        self.cart.order = None;
        self.cart.episode_started_at = at;
        self.cart.last_activity_at = self.cart.last_activity_at.max(at);
        self.enter(State::Active { stalls_at: None });
    }

    /// The order was refunded or cancelled.
    pub fn revert(&mut self, at: Moment) {
        if matches!(self.cart.state, State::Converted { .. }) {
            self.facts.push(Fact::CartReverted);
        }
        self.enter(State::Reverted);
        let order = self.cart.order.clone();
        let event = Event { order, ..self.event(EventKind::Reverted, at) };
        self.announce(&event);
    }

    /// It is no shopper's: never reminded, and counted apart.
    pub fn set_apart(&mut self, why: Why) {
        self.enter(State::Suppressed { why });
        self.facts.push(Fact::SetApart { why });
    }

    /// The same for a cart that was never seen before: it is nowhere else in the counts.
    pub fn born_apart(&mut self, why: Why, stage: Stage) {
        self.cart.stage = stage;
        self.cart.state = State::Suppressed { why };
        self.facts = vec![Fact::StateChanged { from: None, to: Some(StateName::Suppressed) }, Fact::SetApart { why }];
    }

    /// The person wants no more reminders on any channel that the shop uses.
    pub fn opt_out(&mut self, at: Moment) {
        self.enter(State::OptedOut);
        self.tell(EventKind::OptedOut, at);
    }

    pub fn dismiss(&mut self, at: Moment) {
        self.enter(State::Dismissed);
        self.tell(EventKind::Dismissed, at);
    }

    /// Leaves only the name: everything a storefront told us goes.
    pub fn bury(&mut self, state: State, at: Moment) {
        let announce = matches!(state, State::Expired);
        // It may have been left since we last looked, and be forgotten in the same look.
        self.move_in_funnel();
        self.enter(state);
        if announce {
            self.tell(EventKind::Expired, at);
        }
        let cart = &mut self.cart;
        cart.content = Content::empty(cart.content.currency);
        cart.signals.clear();
        cart.reasons.clear();
        cart.reminders.clear();
        cart.last_abandonment = None;
        cart.past = Past::default();
        cart.order = None;
        cart.heard = Heard::default();
        cart.expires_at = self.now.plus(self.program.retention.tombstone);
    }

    /// An event of this kind, with what the cart knows.
    pub fn event(&self, kind: EventKind, at: Moment) -> Event {
        let reason = self.cart.primary_reason().copied();
        Event { abandonment: self.cart.last_abandonment, reason, ..Event::plain(kind, at) }
    }

    fn tell(&mut self, kind: EventKind, at: Moment) {
        self.announce(&self.event(kind, at));
    }

    /// Puts an event in the outbox, once for each endpoint that wants it.
    pub fn announce(&mut self, event: &Event) {
        let kind = event.kind;
        let life = if kind == EventKind::Reminder { self.program.stale_after } else { STATE_EVENT_LIFE };
        let since = if kind == EventKind::Reminder { event.at } else { self.now };
        for subscription in &self.program.subscriptions {
            if subscription.events.contains(kind) {
                let endpoint = subscription.endpoint.clone();
                let delivery = Delivery::new(&self.cart, &endpoint, event.clone(), self.now, since.plus(life));
                self.outbox.push(delivery);
                self.facts.push(Fact::DeliveryQueued { endpoint, event: kind });
            }
        }
    }
}

impl OrderNews {
    #[must_use]
    pub fn brief(&self) -> OrderBrief {
        OrderBrief { id: self.id.clone(), currency: self.currency, total: self.total, placed_at: self.placed_at }
    }
}

impl PurchaseMark {
    /// What is known of the order when only its mark is: enough to close a cart.
    #[must_use]
    pub fn brief(&self, cart: &Cart) -> OrderBrief {
        OrderBrief {
            id: self.order.clone(),
            currency: cart.content.currency,
            total: cart.content.value(),
            placed_at: self.placed_at,
        }
    }
}
