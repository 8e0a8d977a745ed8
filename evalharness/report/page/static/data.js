"use strict";
// Data files are scripts that call `evalharness.receive`: the one way to load data that works without a server.
(function (app) {
  const KEPT = 32; // chunks in memory; one more is read again from the disk in a few milliseconds
  const waiting = new Map();
  const cache = new Map();

  app.receive = function (name, value) {
    const found = waiting.get(name);
    if (found) found(value);
  };

  /** A promise of the value of the data file `name`, such as "runs" or "a-run/sample3". */
  app.load = function (name) {
    if (cache.has(name)) {
      const promise = cache.get(name);
      cache.delete(name);
      cache.set(name, promise); // the youngest are at the end
      return promise;
    }
    const promise = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const ended = () => {
        script.remove();
        reject(new Error(`The file data/${name}.js is missing or damaged; write the report again.`));
      };
      script.src = `data/${name}.js`;
      script.onerror = ended;
      script.onload = ended; // which rejects nothing where the value has come
      waiting.set(name, resolve);
      document.head.append(script);
    });
    const forget = () => waiting.delete(name);
    promise.then(forget, () => (forget(), cache.delete(name)));
    cache.set(name, promise);
    for (const old of cache.keys()) {
      if (cache.size <= KEPT) break;
      cache.delete(old);
    }
    return promise;
  };
})(window.evalharness);
