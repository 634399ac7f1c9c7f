// Goes before the scripts of these tests: reaches the server through whatever stands before it.

const { default: http } = await import("node:http");
const { default: https } = await import("node:https");

const { prefix, ca, uds } = args.reach;
const scheme = url.startsWith("https:") ? https : http;

/** Connections through the UNIX socket or with the certificate. */
function agent() {
  // A UNIX socket that the server has closed fails Node's last, empty write, and with it a request that was answered.
  const way = uds ? { socketPath: uds, keepAlive: true } : {};
  return new scheme.Agent({ ...way, ...(ca ? { ca } : {}) });
}

const reach = (more) => ({ path: `${prefix}/socket.io`, ca, agent: agent(), ...more });
const on = (namespace, options) => connect(namespace, reach(options));
const plain = (path, options) => bare(prefix + path, { ca, agent: agent(), ...options });
const plainRefused = (path, options) => bareRefused(prefix + path, { ca, agent: agent(), ...options });

/** Sends a request; returns its status, headers and body. With `end` false it is answered before it ends. */
const send = (path, { method = "GET", headers = {}, body, end = true } = {}) =>
  within(
    new Promise((resolve, reject) => {
      const target = new URL(url);
      const options = { host: target.hostname, port: target.port, path: prefix + path, method, headers, agent: agent() };
      const request = scheme.request(options, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("end", () =>
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString() }),
        );
        if (!end) response.on("close", () => request.destroy());
      });
      request.on("error", reject);
      if (end) request.end(body);
      else if (body) request.write(body);
      else request.flushHeaders();
    }),
    () => `no answer to ${method} ${path}`,
  );
