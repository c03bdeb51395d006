// What the shopper says: a reason, "I do not want this", and the survey that asks for them.
//
// The survey itself is another file (survey.js), loaded when it is to be shown: most pages never need it. A page that
// cannot load it goes on without. Read next: calls.js.

// Takes the survey away again, while one is shown.
var close = null;
var isAsking = false;

// Once for each cart, whatever becomes of it.
function survey(wish) {
  if (!consent || isAsking) return;
  var state = recall();
  if (!state.known || state.asked) return;
  isAsking = true;
  import(new URL('widget/survey.js', script.src).href)
    .then(function (loaded) {
      // In the meantime another tab may have asked, or consent may be gone.
      state = consent ? recall() : {};
      if (!state.known || state.asked) return;
      close = loaded.open({
        stage: state.stage, language: settings.lang, wish: wish, reason: reason, dismiss: dismiss, guard: guard,
        // How many answer is known only with how many were asked.
        shown: function (codes) {
          say('reason', {shown: codes});
        }
      });
      change(function (state) {
        state.asked = 1;
      });
    })
    .catch(complain)
    .then(function () {
      isAsking = false;
    });
}

function reason(code, comment, shown) {
  var body = {code: code, source: 'reported'};
  if (comment) body.comment = comment;
  if (shown) body.shown = shown;
  say('reason', body);
}

// The cart ends, and the shop is told so that it may empty its own.
function dismiss() {
  var id;
  change(function (state) {
    if (!state.known) return;
    id = state.id;
    enqueue(state, 'dismiss', {});
    end(state);
  });
  if (id) document.dispatchEvent(new CustomEvent(NAME, {detail: {dismissed: id}}));
}
