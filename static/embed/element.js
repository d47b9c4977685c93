// @ts-check
/**
 * `<rtcserver-player room="main">`: a room's small player on another site. This one file is served at /player.js of the server, imports
 * nothing, and puts the player's page in a frame; whether that may be shown there is the server's to say (embed_ancestors).
 *
 *   <script type="module" src="https://music.example/player.js"></script>
 *   <rtcserver-player room="main"><a href="https://music.example/r/main">Listen</a></rtcserver-player>
 *
 * Attributes: `room`; `label` is what the frame is called for screen readers. What is inside is shown where no module runs. The element is
 * 420 pixels wide or as wide as there is place, and 132 high; CSS changes both.
 */

const HOME = new URL("./", import.meta.url);
const STYLE = ":host{display:block;max-width:420px;height:132px}:host([hidden]){display:none}iframe{display:block;width:100%;height:100%;border:0}";

class RtcserverPlayer extends HTMLElement {
  static observedAttributes = ["room", "label"];
  #frame = document.createElement("iframe");

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    this.#frame.allow = "autoplay";
    this.#frame.loading = "lazy";
    root.append(this.#frame);
  }

  connectedCallback() {
    this.#show();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#show();
  }

  #show() {
    const room = this.getAttribute("room") || "main";
    // Whatever the attribute holds is one name in the path: it leads to no other address.
    const name = encodeURIComponent(room).replace(/^\.{1,2}$/, "main");
    const address = new URL(`r/${name}/embed`, HOME).href;
    this.#frame.title = this.getAttribute("label") || room;
    if (this.#frame.src !== address) this.#frame.src = address;
  }
}

if (!customElements.get("rtcserver-player")) customElements.define("rtcserver-player", RtcserverPlayer);
