// The exit survey: one question in a dialog of its own. A module, loaded by ask.js when it is to be shown.
//
// The browser's own dialog holds the focus, makes the page behind it inert, closes on Esc and gives the focus back. It
// is in a shadow tree with a constructed style sheet, which no content security policy forbids and no style of the shop
// reaches but these variables: --cartwake-background, -color, -accent, -accent-color, -radius, -font. Without them it
// takes the system colours of the page's own colour scheme. Never here: what is stored or sent. Read first: texts.js.

// Answers offered at the cart and on the way to pay, unless the shop says which.
var AT_CART = NAMES.slice(8, 16);
var AT_CHECKOUT = NAMES.slice(8, 11).concat(NAMES.slice(13, 15), NAMES.slice(16));
var COMMENT_MAX = 500;

var STYLE =
  'dialog{box-sizing:border-box;width:26rem;max-width:calc(100vw - 2rem);max-height:calc(100vh - 2rem);overflow:auto;' +
  'padding:1.5rem;border:1px solid;border-radius:var(--cartwake-radius,.75rem);' +
  'background:var(--cartwake-background,Canvas);color:var(--cartwake-color,CanvasText);' +
  'font:var(--cartwake-font,1rem/1.4 system-ui,sans-serif)}' +
  'dialog::backdrop{background:rgba(0,0,0,.5)}' +
  'fieldset{margin:0;padding:0;border:0}legend{padding:0;margin:0 0 .75rem;font-size:1.2em;font-weight:600}' +
  'label{display:flex;gap:.6rem;align-items:baseline;padding:.3rem 0;cursor:pointer}label[hidden]{display:none}' +
  '.more{flex-direction:column;align-items:stretch;gap:.2rem}' +
  'input{accent-color:var(--cartwake-accent,auto)}' +
  'textarea{font:inherit;color:inherit;background:inherit;border:1px solid;border-radius:.25rem;padding:.4rem}' +
  'div{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1rem}p{margin:0}' +
  'button{min-height:2.75rem;padding:.5rem 1rem;font:inherit;cursor:pointer;color:inherit;background:none;' +
  'border:1px solid;border-radius:var(--cartwake-radius,.5rem)}' +
  '.main{background:var(--cartwake-accent,CanvasText);color:var(--cartwake-accent-color,Canvas)}' +
  '.link{min-height:2rem;padding:0;border:0;text-decoration:underline}' +
  ':focus-visible{outline:3px solid var(--cartwake-color,CanvasText);outline-offset:2px}' +
  '@media(prefers-reduced-motion:no-preference){dialog[open]{animation:in .2s}@keyframes in{from{opacity:0}}}';

function element(tag, attributes, children) {
  var made = document.createElement(tag);
  Object.keys(attributes).forEach(function (name) {
    made.setAttribute(name, attributes[name]);
  });
  made.append.apply(made, children || []);
  return made;
}

function shuffled(list) {
  list = list.slice();
  for (var i = list.length - 1; i > 0; i--) {
    var j = Math.floor(Math.random() * (i + 1));
    var other = list[i];
    list[i] = list[j];
    list[j] = other;
  }
  return list;
}

// Shows it, and gives back what takes it away. `host` is told what is chosen (ask.js); `host.wish` may name the codes
// to choose from, as `options`, and say any of `NAMES`, and other codes, in the shop's own words, as `texts`.
export function open(host) {
  var wish = host.wish || {};
  var words = texts(host.language, wish.texts);
  var isCheckout = ['contact', 'shipping', 'payment'].indexOf(host.stage) >= 0;
  // In random order, or the first would be the favourite; "something else" is always where it is looked for.
  var codes = shuffled(wish.options || (isCheckout ? AT_CHECKOUT : AT_CART)).concat('other');
  var close = show(words, form(host, words, codes));
  host.guard(host.shown)(codes);
  return close;
}

function form(host, words, codes) {
  var comment = element('textarea', {maxlength: COMMENT_MAX, rows: 2});
  var more = element('label', {class: 'more', hidden: ''}, [words.comment, comment]);
  var choices = codes.map(function (code) {
    var input = element('input', {type: 'radio', name: 'code', value: code, required: ''});
    return element('label', {}, [input, words[code] || code]);
  });
  var later = element('button', {type: 'button'}, [words.later]);
  var none = element('button', {type: 'button', class: 'link'}, [words.dismiss]);
  var form = element('form', {}, [
    element('fieldset', {}, [element('legend', {id: 'title'}, [words.title])].concat(choices, more)),
    element('div', {}, [element('button', {class: 'main'}, [words.send]), later]),
    element('div', {}, [none])
  ]);
  var tell = host.guard(function () {
    var code = form.elements.code.value;
    if (code) host.reason(code, code === 'other' && comment.value.trim(), codes);
  });
  form.onchange = function () {
    more.hidden = form.elements.code.value !== 'other';
  };
  form.onsubmit = function (event) {
    event.preventDefault();
    tell();
    thank(words, form);
  };
  later.onclick = function () {
    form.parentNode.close();
  };
  none.onclick = function () {
    tell();
    host.guard(host.dismiss)();
    thank(words, form);
  };
  return form;
}

// Said in the same dialog, which keeps the focus.
function thank(words, form) {
  var dialog = form.parentNode;
  var done = element('button', {class: 'main'}, [words.close]);
  done.onclick = function () {
    dialog.close();
  };
  form.replaceWith(element('p', {id: 'title', role: 'status'}, [words.thanks]), element('div', {}, [done]));
  done.focus();
}

function show(words, form) {
  var host = element('div', {'data-cartwake': '', lang: words.language});
  var root = host.attachShadow({mode: 'open'});
  var sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  var dialog = element('dialog', {'aria-labelledby': 'title'}, [form]);
  root.append(dialog);
  document.body.append(host);
  dialog.onclose = function () {
    host.remove();
  };
  dialog.showModal();
  return function () {
    dialog.close();
  };
}
