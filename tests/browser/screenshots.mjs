// Pictures of the dashboard of a running service, for the README. Called by scripts/screenshots.
//
//   node screenshots.mjs OPS_URL FOLDER, with the admin key in CARTWAKE_ADMIN_KEY

import path from 'node:path';

import { openPage, startBrowser } from './harness.mjs';

const [, , ops, folder] = process.argv;

const VIEWS = [
  { name: 'dashboard', viewport: { width: 1360, height: 1010 }, colorScheme: 'light' },
  { name: 'dashboard-dark', viewport: { width: 1360, height: 1010 }, colorScheme: 'dark' },
  { name: 'dashboard-phone', viewport: { width: 390, height: 844 }, colorScheme: 'light', deviceScaleFactor: 2 },
  { name: 'dashboard-whole', viewport: { width: 1360, height: 1010 }, colorScheme: 'light', fullPage: true },
  { name: 'dashboard-whole-phone', viewport: { width: 390, height: 844 }, colorScheme: 'dark', fullPage: true },
];

const browser = await startBrowser();
for (const { name, fullPage = false, ...options } of VIEWS) {
  if (fullPage && !process.env.CARTWAKE_WHOLE) continue;
  const page = await openPage(browser, { locale: 'en-GB', ...options });
  await page.goto(`${ops}/dashboard`);
  await page.getByLabel('Admin key').fill(process.env.CARTWAKE_ADMIN_KEY);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByText('Value that came back').waitFor();
  await page.getByRole('table', { name: 'Reasons', exact: true }).waitFor();
  await page.getByRole('table', { name: 'Carts', exact: true }).waitFor();
  await page.getByRole('table', { name: 'Endpoints' }).waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage });
  if (page.faults.length > 0) throw new Error(page.faults.join('\n'));
}
await browser.close();
