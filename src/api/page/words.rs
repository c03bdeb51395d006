//! What the pages say, in each language. Plain words, one thought a sentence; no name, no address, no product.
//!
//! A new language is one more table here and a line in `api/page.rs`.

/// A heading and what it means.
pub type Said = (&'static str, &'static str);
/// Picks what a page says.
pub type Pick = fn(&'static Words) -> Said;

/// Everything pages say in one language.
pub struct Words {
    pub unknown: Said,
    pub expired: Said,
    pub ordered: Said,
    pub emptied: Said,
    pub dismissed: Said,
    pub ask: Said,
    pub stopped: Said,
    pub stopped_all: Said,
    pub to_shop: &'static str,
    pub which: &'static str,
    /// In the order of the domain's channels: by mail, text, push and messenger.
    pub channels: [&'static str; 4],
    pub every_channel: &'static str,
    pub stop: &'static str,
}

impl Words {
    /// Every heading and its text.
    #[cfg(test)]
    pub const fn all(&self) -> [Said; 8] {
        let Self { unknown, expired, ordered, emptied, dismissed, ask, stopped, stopped_all, .. } = *self;
        [unknown, expired, ordered, emptied, dismissed, ask, stopped, stopped_all]
    }
}

pub const ENGLISH: Words = Words {
    unknown: (
        "This link does not work",
        "The address is not complete, or it is not one of ours. Try to open it from the message again.",
    ),
    expired: ("This link has expired", "The cart it led to is no longer kept. You can fill a new one in the shop."),
    ordered: ("You have already ordered", "What was in this cart has been ordered. There is nothing left to do here."),
    emptied: ("This cart is empty", "Everything was taken out of it since the message was written."),
    dismissed: ("You have put this cart away", "You said that you do not want it, so it was not kept open for you."),
    ask: ("Stop the reminders?", "You will get no more messages about carts you have left. Orders are not affected."),
    stopped: ("The reminders are stopped", "You will get no more messages about carts you have left on this channel."),
    stopped_all: (
        "All reminders are stopped",
        "You will get no more messages about carts you have left, on any channel.",
    ),
    to_shop: "To the shop",
    which: "Which reminders?",
    channels: ["Those by email", "Those by SMS", "Those by push notification", "Those by WhatsApp"],
    every_channel: "All of them, on every channel",
    stop: "Stop the reminders",
};

pub const GERMAN: Words = Words {
    unknown: (
        "Dieser Link funktioniert nicht",
        "Die Adresse ist unvollständig oder stammt nicht von uns. Öffnen Sie sie noch einmal aus der Nachricht.",
    ),
    expired: (
        "Dieser Link ist abgelaufen",
        "Der Warenkorb dahinter wird nicht mehr aufbewahrt. Im Shop können Sie einen neuen füllen.",
    ),
    ordered: ("Sie haben schon bestellt", "Was in diesem Warenkorb lag, ist bestellt. Hier ist nichts mehr zu tun."),
    emptied: ("Dieser Warenkorb ist leer", "Seit die Nachricht geschrieben wurde, wurde alles herausgenommen."),
    dismissed: (
        "Sie haben diesen Warenkorb verworfen",
        "Sie haben gesagt, dass Sie ihn nicht möchten. Er wurde deshalb nicht offen gehalten.",
    ),
    ask: (
        "Erinnerungen beenden?",
        "Sie erhalten keine Nachrichten mehr zu verlassenen Warenkörben. Bestellungen sind davon nicht betroffen.",
    ),
    stopped: (
        "Die Erinnerungen sind beendet",
        "Auf diesem Weg erhalten Sie keine Nachrichten mehr zu verlassenen Warenkörben.",
    ),
    stopped_all: (
        "Alle Erinnerungen sind beendet",
        "Sie erhalten auf keinem Weg mehr Nachrichten zu verlassenen Warenkörben.",
    ),
    to_shop: "Zum Shop",
    which: "Welche Erinnerungen?",
    channels: ["Die per E-Mail", "Die per SMS", "Die per Push-Mitteilung", "Die per WhatsApp"],
    every_channel: "Alle, auf jedem Weg",
    stop: "Erinnerungen beenden",
};

pub const FRENCH: Words = Words {
    unknown: (
        "Ce lien ne fonctionne pas",
        "L’adresse est incomplète ou ne vient pas de nous. Ouvrez-la de nouveau depuis le message.",
    ),
    expired: (
        "Ce lien a expiré",
        "Le panier auquel il menait n’est plus conservé. Vous pouvez en remplir un nouveau dans la boutique.",
    ),
    ordered: ("Vous avez déjà commandé", "Le contenu de ce panier a été commandé. Il n’y a plus rien à faire ici."),
    emptied: ("Ce panier est vide", "Tout en a été retiré depuis l’envoi du message."),
    dismissed: (
        "Vous avez écarté ce panier",
        "Vous avez indiqué que vous n’en vouliez pas. Il n’a donc pas été gardé ouvert.",
    ),
    ask: (
        "Arrêter les rappels ?",
        "Vous ne recevrez plus de messages sur les paniers laissés. Vos commandes ne sont pas concernées.",
    ),
    stopped: ("Les rappels sont arrêtés", "Vous ne recevrez plus, par ce canal, de messages sur les paniers laissés."),
    stopped_all: (
        "Tous les rappels sont arrêtés",
        "Vous ne recevrez plus de messages sur les paniers laissés, par aucun canal.",
    ),
    to_shop: "Vers la boutique",
    which: "Quels rappels ?",
    channels: ["Ceux par e-mail", "Ceux par SMS", "Ceux par notification push", "Ceux par WhatsApp"],
    every_channel: "Tous, par tous les canaux",
    stop: "Arrêter les rappels",
};

pub const SPANISH: Words = Words {
    unknown: (
        "Este enlace no funciona",
        "La dirección no está completa o no es nuestra. Ábrela otra vez desde el mensaje.",
    ),
    expired: (
        "Este enlace ha caducado",
        "El carrito al que llevaba ya no se conserva. Puedes llenar uno nuevo en la tienda.",
    ),
    ordered: ("Ya has hecho el pedido", "Lo que había en este carrito ya está pedido. Aquí no queda nada por hacer."),
    emptied: ("Este carrito está vacío", "Desde que se escribió el mensaje se ha sacado todo lo que tenía."),
    dismissed: ("Has descartado este carrito", "Dijiste que no lo querías, así que no se ha mantenido abierto."),
    ask: (
        "¿Dejar de recibir recordatorios?",
        "No recibirás más mensajes sobre carritos abandonados. Tus pedidos no se ven afectados.",
    ),
    stopped: ("Ya no recibirás recordatorios", "No recibirás más mensajes sobre carritos abandonados por este canal."),
    stopped_all: (
        "Ya no recibirás ningún recordatorio",
        "No recibirás más mensajes sobre carritos abandonados por ningún canal.",
    ),
    to_shop: "Ir a la tienda",
    which: "¿Qué recordatorios?",
    channels: ["Los de correo electrónico", "Los de SMS", "Los de notificación push", "Los de WhatsApp"],
    every_channel: "Todos, por cualquier canal",
    stop: "Dejar de recibirlos",
};

pub const ITALIAN: Words = Words {
    unknown: (
        "Questo link non funziona",
        "L’indirizzo non è completo o non è nostro. Prova ad aprirlo di nuovo dal messaggio.",
    ),
    expired: (
        "Questo link è scaduto",
        "Il carrello a cui portava non è più conservato. Puoi riempirne uno nuovo nel negozio.",
    ),
    ordered: ("Hai già ordinato", "Quello che era in questo carrello è stato ordinato. Qui non c’è altro da fare."),
    emptied: ("Questo carrello è vuoto", "Da quando è stato scritto il messaggio è stato tolto tutto."),
    dismissed: ("Hai messo da parte questo carrello", "Hai detto che non lo vuoi, quindi non è stato tenuto aperto."),
    ask: (
        "Interrompere i promemoria?",
        "Non riceverai più messaggi sui carrelli lasciati. Gli ordini non sono interessati.",
    ),
    stopped: ("I promemoria sono interrotti", "Non riceverai più, con questo mezzo, messaggi sui carrelli lasciati."),
    stopped_all: (
        "Tutti i promemoria sono interrotti",
        "Non riceverai più messaggi sui carrelli lasciati, con nessun mezzo.",
    ),
    to_shop: "Vai al negozio",
    which: "Quali promemoria?",
    channels: ["Quelli per e-mail", "Quelli per SMS", "Quelli per notifica push", "Quelli per WhatsApp"],
    every_channel: "Tutti, con ogni mezzo",
    stop: "Interrompi i promemoria",
};
