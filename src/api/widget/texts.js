// What the survey says, in five languages: each a list in the order of `NAMES`. A shop may say it otherwise (survey.js).

var NAMES = [
  'title', 'other', 'comment', 'send', 'later', 'dismiss', 'thanks', 'close',
  'shipping_cost', 'delivery_time', 'price_too_high', 'price_comparison', 'product_info_unclear', 'returns_policy',
  'think_later', 'just_browsing', 'payment_method_missing', 'trust_security', 'account_required', 'checkout_too_long',
  'technical_error'
];

var TEXTS = {
  en: [
    'What keeps you from buying today?', 'Something else', 'What is it?', 'Send', 'Not now',
    'I do not want these items any more', 'Thank you!', 'Close',
    'Shipping costs too much', 'Delivery takes too long', 'It is too expensive for me', 'I am comparing prices',
    'I do not know enough about the product', 'I am unsure about returns', 'I will decide later', 'I am only looking',
    'My way to pay is missing', 'I am not sure that it is safe', 'I do not want an account',
    'The order form is too long', 'Something does not work'
  ],
  de: [
    'Was hält Sie heute vom Kauf ab?', 'Etwas anderes', 'Was ist es?', 'Senden', 'Nicht jetzt',
    'Ich möchte diese Artikel nicht mehr', 'Vielen Dank!', 'Schließen',
    'Der Versand ist zu teuer', 'Die Lieferung dauert zu lange', 'Es ist mir zu teuer', 'Ich vergleiche Preise',
    'Ich weiß zu wenig über das Produkt', 'Ich bin bei Rückgaben unsicher', 'Ich entscheide später',
    'Ich sehe mich nur um', 'Meine Zahlungsart fehlt', 'Ich bin nicht sicher, ob es sicher ist',
    'Ich möchte kein Konto', 'Das Bestellformular ist zu lang', 'Etwas funktioniert nicht'
  ],
  fr: [
    'Qu’est-ce qui vous retient d’acheter aujourd’hui ?', 'Autre chose', 'De quoi s’agit-il ?', 'Envoyer',
    'Pas maintenant', 'Je ne veux plus de ces articles', 'Merci !', 'Fermer',
    'La livraison coûte trop cher', 'La livraison est trop longue', 'C’est trop cher pour moi',
    'Je compare les prix', 'Je n’en sais pas assez sur le produit', 'J’ai un doute sur les retours',
    'Je déciderai plus tard', 'Je regarde seulement', 'Mon moyen de paiement manque',
    'Je ne suis pas sûr que ce soit sécurisé', 'Je ne veux pas créer de compte', 'Le formulaire est trop long',
    'Quelque chose ne fonctionne pas'
  ],
  es: [
    '¿Qué le impide comprar hoy?', 'Otra cosa', '¿Qué es?', 'Enviar', 'Ahora no', 'Ya no quiero estos artículos',
    '¡Gracias!', 'Cerrar',
    'El envío es demasiado caro', 'La entrega tarda demasiado', 'Es demasiado caro para mí', 'Estoy comparando precios',
    'No sé lo suficiente sobre el producto', 'Tengo dudas sobre las devoluciones', 'Decidiré más tarde',
    'Solo estoy mirando', 'Falta mi forma de pago', 'Dudo que sea seguro', 'No quiero crear una cuenta',
    'El formulario es demasiado largo', 'Algo no funciona'
  ],
  it: [
    'Che cosa la trattiene dall’acquisto oggi?', 'Altro', 'Di che cosa si tratta?', 'Invia', 'Non ora',
    'Non voglio più questi articoli', 'Grazie!', 'Chiudi',
    'La spedizione costa troppo', 'La consegna richiede troppo tempo', 'È troppo caro per me',
    'Sto confrontando i prezzi', 'Non so abbastanza del prodotto', 'Ho dubbi sui resi', 'Deciderò più tardi',
    'Sto solo guardando', 'Manca il mio metodo di pagamento', 'Non so se sia sicuro', 'Non voglio creare un account',
    'Il modulo è troppo lungo', 'Qualcosa non funziona'
  ]
};

function texts(language, own) {
  language = (language || document.documentElement.lang || navigator.language).slice(0, 2).toLowerCase();
  var found = {language: TEXTS[language] ? language : 'en'};
  TEXTS[found.language].forEach(function (text, place) {
    found[NAMES[place]] = text;
  });
  return Object.assign(found, own);
}
