//! Trains the dictionary that carts and deliveries are compressed with: `cargo run --example train_dictionary FILE`.
//!
//! Samples are made up, from a fixed seed: shops of several languages and habits, no data of real people. A codec keeps
//! its dictionary for ever, so a newly trained one goes to a new file and a new codec in `store/record/packing.rs`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::time::Duration;

use cartwake::domain::{
    Abandonment, Cart, CartId, Channel, Consent, ConsentStatus, Content, Currency, Delivery, EndpointName, Event,
    EventKind, Heard, Item, Minor, Moment, NextStep, PaymentClass, PersonalText, ProductId, Reason, ReasonCode,
    ReasonSource, ReminderMark, ShopId, Shopper, Signal, SignalKind, Stage, StageSet, State, StepBrief, StepName,
    Totals, Trail, WebUrl,
};
use cartwake::store::record::{cart_payload, delivery_payload};

const DICTIONARY_BYTES_MAX: usize = 16 * 1024;
const CARTS: u64 = 12_000;
const DAY: u64 = 86_400_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A shop's habits.
struct Habit {
    locale: &'static str,
    country: &'static str,
    zone: &'static str,
    currency: &'static str,
    dial: &'static str,
    host: &'static str,
    goods: &'static [&'static str],
    colours: &'static [&'static str],
    names: &'static [&'static str],
}

const HABITS: &[Habit] = &[
    Habit {
        locale: "de-DE",
        country: "DE",
        zone: "Europe/Berlin",
        currency: "EUR",
        dial: "+49",
        host: "www.laden.example",
        goods: &["T-Shirt Bio-Baumwolle", "Laufschuhe", "Rucksack 25 Liter", "Trinkflasche Edelstahl", "Winterjacke"],
        colours: &["schwarz", "weiß", "blau", "grün"],
        names: &["Muster", "Beispiel", "Probe"],
    },
    Habit {
        locale: "en-US",
        country: "US",
        zone: "America/New_York",
        currency: "USD",
        dial: "+1",
        host: "shop.example.com",
        goods: &["Organic Cotton T-shirt", "Running Shoes", "Wireless Headphones", "Water Bottle", "Coffee Beans 1 kg"],
        colours: &["black", "white", "navy", "green"],
        names: &["Sample", "Example", "Tester"],
    },
    Habit {
        locale: "en-GB",
        country: "GB",
        zone: "Europe/London",
        currency: "GBP",
        dial: "+44",
        host: "store.example.co.uk",
        goods: &["Waterproof Jacket", "Tea Set", "Leather Wallet", "Wool Jumper", "Phone Case"],
        colours: &["black", "grey", "red", "olive"],
        names: &["Sample", "Example", "Someone"],
    },
    Habit {
        locale: "fr-FR",
        country: "FR",
        zone: "Europe/Paris",
        currency: "EUR",
        dial: "+33",
        host: "boutique.example.fr",
        goods: &["Chemise en lin", "Sac à main", "Parfum 50 ml", "Chaussures de ville", "Bougie parfumée"],
        colours: &["noir", "blanc", "bleu", "rouge"],
        names: &["Exemple", "Modele", "Personne"],
    },
    Habit {
        locale: "es-ES",
        country: "ES",
        zone: "Europe/Madrid",
        currency: "EUR",
        dial: "+34",
        host: "tienda.example.es",
        goods: &["Camiseta de algodón", "Zapatillas", "Mochila", "Auriculares", "Crema hidratante"],
        colours: &["negro", "blanco", "azul", "verde"],
        names: &["Ejemplo", "Muestra", "Prueba"],
    },
    Habit {
        locale: "ja-JP",
        country: "JP",
        zone: "Asia/Tokyo",
        currency: "JPY",
        dial: "+81",
        host: "shop.example.jp",
        goods: &["コットンTシャツ", "スニーカー", "ワイヤレスイヤホン", "水筒", "抹茶"],
        colours: &["黒", "白", "青", "緑"],
        names: &["Mihon", "Rei", "Tamesi"],
    },
    Habit {
        locale: "pt-BR",
        country: "BR",
        zone: "America/Sao_Paulo",
        currency: "BRL",
        dial: "+55",
        host: "loja.example.com.br",
        goods: &["Camiseta", "Tênis de corrida", "Fone de ouvido", "Garrafa térmica", "Café em grãos"],
        colours: &["preto", "branco", "azul", "verde"],
        names: &["Exemplo", "Amostra", "Teste"],
    },
    Habit {
        locale: "vi-VN",
        country: "VN",
        zone: "Asia/Ho_Chi_Minh",
        currency: "VND",
        dial: "+84",
        host: "shop.example.vn",
        goods: &["Áo thun cotton", "Giày thể thao", "Tai nghe không dây", "Bình nước", "Cà phê rang xay"],
        colours: &["đen", "trắng", "xanh", "đỏ"],
        names: &["Vidu", "Mau", "Thu"],
    },
];

/// Numbers from a seed (splitmix64): the same samples, and so the same dictionary, on every machine.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    const fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// True this often of a hundred.
    const fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let place = self.below(of.len() as u64);
        of[usize::try_from(place).unwrap_or(0)]
    }

    /// A made-up token as a storefront would make it: a number, a UUID or letters.
    fn token(&mut self) -> String {
        let (a, b) = (self.roll(), self.roll());
        match self.below(3) {
            0 => format!("{}", a % 10_000_000),
            1 => format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", a >> 32, a & 0xFFFF, b >> 52, b & 0xFFF, b >> 16),
            _ => format!("{a:016x}"),
        }
    }
}

fn at(dice: &mut Dice) -> Moment {
    // Several years, so that the dictionary learns the shape of a moment and not its date.
    Moment::from_millis(i64::try_from(1_750_000_000_000 + dice.below(1_200 * DAY)).unwrap_or(0))
}

const fn days(count: u64) -> Duration {
    Duration::from_millis(count * DAY)
}

fn minor(amount: u64) -> Result<Minor> {
    Ok(Minor::new(i64::try_from(amount)?)?)
}

fn item(dice: &mut Dice, habit: &Habit, line: usize) -> Result<Item> {
    let title = dice.pick(habit.goods);
    let variant = format!("{} / {}", dice.pick(habit.colours), dice.pick(&["S", "M", "L", "XL", "42", "250 g"]));
    let number = dice.below(100_000);
    Ok(Item {
        id: dice.percent(60).then(|| format!("line-{}", line + 1)),
        product_id: ProductId::parse(&if dice.percent(50) { format!("p-{number}") } else { dice.token() })?,
        sku: dice.percent(70).then(|| format!("{}-{number:05}", dice.pick(&["TS-BLK-M", "SHOE", "BAG", "SKU"]))),
        title: Some(title.to_owned()),
        variant: dice.percent(60).then_some(variant),
        quantity: u32::try_from(1 + dice.below(3))?,
        unit_price: Some(minor(dice.pick(&[99, 499, 990, 1_999, 2_995, 4_900, 9_999, 149_000]) + dice.below(50))?),
        url: dice.percent(80).then(|| WebUrl::new(&format!("https://{}/products/{number}", habit.host))),
        image_url: dice
            .percent(70)
            .then(|| WebUrl::new(&format!("https://cdn.{}/images/{number}_{:08x}.jpg", habit.host, number * 7_919))),
        in_stock: dice.percent(40).then_some(true),
    })
}

fn shopper(dice: &mut Dice, habit: &Habit) -> Shopper {
    let name = dice.pick(habit.names);
    let number = dice.below(1_000_000);
    let domain = dice.pick(&["mail.example", "example.com", "example.org", "post.example"]);
    let personal = |given: bool, text: String| given.then(|| PersonalText::new(&text));
    Shopper {
        email: personal(dice.percent(65), format!("{}.{number}@{domain}", name.to_lowercase())),
        phone: personal(dice.percent(25), format!("{}555{number:07}", habit.dial)),
        customer_id: personal(dice.percent(30), format!("customer-{number}")),
        anonymous_id: personal(dice.percent(70), dice.token()),
        first_name: personal(dice.percent(40), name.to_owned()),
        locale: dice.percent(80).then(|| habit.locale.to_owned()),
        time_zone: dice.percent(60).then(|| habit.zone.to_owned()),
        country: dice.percent(70).then(|| habit.country.to_owned()),
        existing_customer: dice.percent(40).then_some(number.is_multiple_of(3)),
    }
}

fn content(dice: &mut Dice, habit: &Habit, told_at: Moment) -> Result<Content> {
    let mut content = Content::empty(Currency::parse(habit.currency)?);
    let lines = usize::try_from(dice.pick(&[0, 1, 1, 1, 2, 2, 3, 4, 6]))?;
    content.items = (0..lines).map(|line| item(dice, habit, line)).collect::<Result<_>>()?;
    let subtotal = content.subtotal();
    let shipping = minor(dice.pick(&[0, 390, 490, 590, 990]))?;
    if dice.percent(85) {
        content.totals = Totals {
            subtotal: Some(subtotal),
            discount: dice.percent(50).then(Minor::default),
            shipping: dice.percent(70).then_some(shipping),
            tax: dice.percent(50).then(|| minor(subtotal.get() * 19 / 119)).transpose()?,
            total: Some(subtotal.plus(shipping)),
            tax_included: dice.percent(50).then_some(true),
        };
    }
    content.shopper = shopper(dice, habit);
    if dice.percent(50) {
        content.consent.push(Consent {
            channel: dice.pick(&[Channel::Email, Channel::Email, Channel::Sms]),
            status: dice.pick(&[ConsentStatus::Granted, ConsentStatus::Granted, ConsentStatus::Denied]),
            basis: dice.percent(70).then(|| dice.pick(&["opt_in", "double_opt_in", "existing_customer"]).to_owned()),
            at: dice.percent(70).then_some(told_at),
            source: dice.percent(60).then(|| dice.pick(&["checkout checkbox", "newsletter form"]).to_owned()),
        });
    }
    let path = dice.pick(&["checkout", "cart", "checkouts/c", "checkout/recover"]);
    content.checkout_url =
        dice.percent(90).then(|| WebUrl::new(&format!("https://{}/{path}/{}", habit.host, dice.token())));
    if dice.percent(15) {
        content.coupons.push(dice.pick(&["WELCOME", "WELCOME10", "SUMMER20", "FREESHIP"]).to_owned());
    }
    content.attributes = attributes(dice);
    Ok(content)
}

fn attributes(dice: &mut Dice) -> BTreeMap<String, String> {
    let known: &[(&str, &[&str])] = &[
        ("utm_source", &["google", "newsletter", "instagram", "facebook", "bing"]),
        ("utm_medium", &["cpc", "email", "social", "organic"]),
        ("utm_campaign", &["spring_sale", "brand", "retargeting", "black_friday"]),
        ("device", &["mobile", "desktop", "tablet"]),
        ("referrer", &["https://www.google.com/", "direct"]),
    ];
    let mut attributes = BTreeMap::new();
    for (key, values) in known {
        if dice.percent(40) {
            attributes.insert((*key).to_owned(), dice.pick(values).to_owned());
        }
    }
    attributes
}

fn signals(dice: &mut Dice, from: Moment) -> Result<Vec<Signal>> {
    let mut when = from;
    let mut signals = Vec::new();
    for _ in 0..dice.pick(&[0, 0, 1, 2, 3, 5, 8]) {
        when = when.plus(Duration::from_millis(500 + dice.below(60_000)));
        let quoted = SignalKind::ShippingQuoted { lowest: Some(minor(490)?), fastest_days: Some(3), rates: Some(2) };
        let shown = SignalKind::TotalShown { total: minor(1_000 + dice.below(20_000))?, stage: Some(Stage::Shipping) };
        let kind = match dice.below(9) {
            0 => quoted,
            1 => shown,
            2 => SignalKind::CouponRejected,
            3 => SignalKind::PaymentMethodsShown { count: Some(4) },
            4 => SignalKind::PaymentAttempted,
            5 => SignalKind::PaymentFailed { class: dice.pick(PaymentClass::ALL) },
            6 => SignalKind::FieldRejected,
            7 => SignalKind::TabHidden,
            _ => SignalKind::PageClosed,
        };
        signals.push(Signal { kind, at: when });
    }
    Ok(signals)
}

fn cart(dice: &mut Dice) -> Result<Cart> {
    let habit = &HABITS[usize::try_from(dice.below(HABITS.len() as u64))?];
    let created_at = at(dice);
    let active_at = created_at.plus(Duration::from_millis(dice.below(2 * 3_600_000)));
    let content = content(dice, habit, created_at)?;
    let stage = dice.pick(Stage::ALL);
    let mut stages = StageSet::default();
    Stage::ALL.iter().filter(|seen| **seen <= stage).for_each(|seen| {
        stages.enter(*seen);
    });
    let mut cart = Cart {
        shop: ShopId::parse(dice.pick(&["main", "shop", "de", "us-store"]))?,
        id: CartId::parse(&dice.token())?,
        state: State::Active { stalls_at: Some(active_at.plus(Duration::from_mins(30))) },
        stage,
        stages,
        signals: signals(dice, created_at)?,
        reasons: Vec::new(),
        created_at,
        last_activity_at: active_at,
        items_changed_at: if dice.percent(50) { created_at } else { active_at },
        occurred_at: active_at,
        revision: dice.percent(40).then(|| dice.below(40)),
        episode_started_at: created_at,
        abandonments: 0,
        last_abandonment: None,
        reminders: Vec::new(),
        order: None,
        expires_at: active_at.plus(Duration::from_millis(dice.pick(&[DAY / 4, 30 * DAY, 90 * DAY]))),
        furthest_at: active_at,
        past: cartwake::domain::Past::default(),
        content,
        stage_since: active_at,
        heard: Heard::default(),
        trail: Trail::default(),
    };
    if dice.percent(40) {
        abandon(dice, &mut cart);
    }
    Ok(cart)
}

fn abandon(dice: &mut Dice, cart: &mut Cart) {
    let abandoned_at = cart.last_activity_at.plus(Duration::from_mins(30));
    let code = dice.pick(ReasonCode::ALL);
    let reason = Reason { code, source: ReasonSource::InferredHard, confidence: 90, at: abandoned_at };
    let reason = if dice.percent(50) { Reason::unknown(abandoned_at) } else { reason };
    cart.abandonments = 1;
    cart.reasons = vec![reason];
    let value = cart.content.value();
    cart.last_abandonment = Some(Abandonment { number: 1, abandoned_at, stage: cart.stage, value, reason });
    let due_at = abandoned_at.plus(Duration::from_hours(4));
    if dice.percent(50) {
        cart.state = State::Abandoned { next_step: Some(NextStep { index: 0, due_at, held: None }) };
    } else {
        let next = NextStep { index: 1, due_at: abandoned_at.plus(days(1)), held: None };
        cart.state = State::Abandoned { next_step: Some(next) };
        cart.reminders.push(ReminderMark { abandonment: 1, step: 0, decided_at: due_at });
    }
}

fn delivery(dice: &mut Dice, cart: &Cart) -> Result<Option<Delivery>> {
    let Some(abandonment) = cart.last_abandonment else { return Ok(None) };
    let kind = dice.pick(&[EventKind::Abandoned, EventKind::Reminder, EventKind::Resumed]);
    let index = u32::try_from(dice.below(3))?;
    let name = StepName::parse(dice.pick(&["first", "second", "last"]))?;
    let step = StepBrief { index, of: 3, name, channel: Channel::Email };
    let at = abandonment.abandoned_at;
    let event = Event {
        abandonment: Some(abandonment),
        step: (kind == EventKind::Reminder).then_some(step),
        reason: Some(abandonment.reason),
        ..Event::plain(kind, at)
    };
    let endpoint = EndpointName::parse(dice.pick(&["mail", "mailer", "crm", "default"]))?;
    Ok(Some(Delivery::new(cart, &endpoint, event, at, at.plus(days(4)))))
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("name the file to write")?;
    let mut dice = Dice(1);
    let mut samples = Vec::new();
    for _ in 0..CARTS {
        let cart = cart(&mut dice)?;
        samples.push(cart_payload(&cart));
        if let Some(delivery) = delivery(&mut dice, &cart)? {
            samples.push(delivery_payload(&delivery));
        }
    }
    let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES_MAX)?;
    std::fs::write(&path, &dictionary)?;
    let bytes: usize = samples.iter().map(Vec::len).sum();
    writeln!(
        std::io::stdout(),
        "{path}: {} bytes from {} samples of {} bytes each",
        dictionary.len(),
        samples.len(),
        bytes / samples.len()
    )?;
    Ok(())
}
