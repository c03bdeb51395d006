-- Random carts of about 1.2 kB over 20,000 ids, for wrk. The first argument is the key.
local key
function init(args)
  key = args[1] or "none"
  math.randomseed(tonumber(tostring({}):sub(8)) or 1)
  wrk.headers["Authorization"] = "Bearer " .. key
  wrk.headers["Content-Type"] = "application/json"
end

local function line(id, n)
  return string.format(
    '{"id":"line-%d","product_id":"p-%d","sku":"SKU-%05d-BLK","title":"Organic cotton shirt no. %d, black, size M",' ..
    '"quantity":%d,"unit_price_minor":%d,"url":"https://shop.example/p/%d","image_url":"https://cdn.shop.example/p/%d/main.jpg"}',
    n, (id * 7 + n * 13) % 997, (id * 31 + n) % 99991, (id + n) % 50, 1 + n, 1999 + 10 * n, (id + n) % 997, (id + n) % 997)
end

function request()
  local id = math.random(0, 19999)
  local body = string.format(
    '{"currency":"EUR","stage":"shipping","items":[%s,%s,%s],' ..
    '"totals":{"subtotal_minor":12000,"shipping_minor":490,"total_minor":12490,"tax_included":true},' ..
    '"shopper":{"email":"shopper-%d@example.com","first_name":"Kim","locale":"de-DE","time_zone":"Europe/Berlin","country":"DE"},' ..
    '"checkout_url":"https://shop.example/checkout/%08x","attributes":{"utm_source":"newsletter","utm_campaign":"autumn"}}',
    line(id, 1), line(id, 2), line(id, 3), id, id)
  return wrk.format("PUT", "/v1/carts/c-" .. id, nil, body)
end
