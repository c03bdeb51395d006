// The API as the dashboard uses it: one admin key, kept in this tab only, and errors as sentences.

const PLACE = 'cartwake-admin-key';

/** What went wrong, in words for a person. `status` is 0 when nothing answered. */
export class Fault extends Error {
  constructor(status, title, detail) {
    super(detail ? `${title}. ${detail}` : title);
    this.status = status;
    this.title = title;
    this.detail = detail ?? '';
  }
}

export const key = {
  get: () => sessionStorage.getItem(PLACE),
  set: (text) => sessionStorage.setItem(PLACE, text),
  forget: () => sessionStorage.removeItem(PLACE),
};

async function call(method, path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== ''));
  const headers = { authorization: `Bearer ${key.get() ?? ''}`, accept: 'application/json' };
  let answer;
  try {
    answer = await fetch(query.size > 0 ? `${path}?${query}` : path, { method, headers, credentials: 'omit' });
  } catch {
    throw new Fault(0, 'The service does not answer', 'Is it running, and is this machine still connected to it?');
  }
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return body;
  const named = (body?.errors ?? []).map((fault) => `${fault.pointer.slice(1)} ${fault.detail}`).join('; ');
  throw new Fault(answer.status, body?.title ?? `The service answered ${answer.status}`, named || body?.detail);
}

export const get = (path, parameters) => call('GET', path, parameters);
export const post = (path, parameters) => call('POST', path, parameters);

/** A report as a file: the same address, asked for as CSV. */
export async function download(path, parameters, name) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== ''));
  const headers = { authorization: `Bearer ${key.get() ?? ''}`, accept: 'text/csv' };
  const answer = await fetch(`${path}?${query}`, { headers, credentials: 'omit' });
  if (!answer.ok) throw new Fault(answer.status, 'The file could not be made');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
