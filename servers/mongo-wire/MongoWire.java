import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * A MongoDB for tests where there is no Docker: it speaks the wire protocol and forgets everything when it ends.
 * So it needs no handler for SIGTERM: there is nothing to save, and the JVM's own end is the quickest.
 */
public class MongoWire {

    /** The library's own MONGO_5_0 says wire version 8, which today's pymongo refuses; a real 5.0 says 13. */
    private static final MongoVersion MONGO_5_0 = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    };

    public static void main(String[] args) {
        int colon = args.length == 2 && args[0].equals("-listen") ? args[1].lastIndexOf(':') : -1;
        if (colon < 1) {
            fail("usage: mongo-wire -listen HOST:PORT");
        }
        String host = args[1].substring(0, colon).replaceAll("[\\[\\]]", "");
        try {
            MongoServer server = new MongoServer(new MemoryBackend().version(MONGO_5_0));
            // One thread: the memory back end changes documents in place, and with several a reader gets half of a change.
            server.bind(new InetSocketAddress(host, Integer.parseInt(args[1].substring(colon + 1))), 1, 1);
            InetSocketAddress address = server.getLocalAddress();
            System.out.println("mongo-wire: listening on " + address.getAddress().getHostAddress() + ":" + address.getPort());
        } catch (Exception e) {
            fail("mongo-wire: cannot listen on " + args[1] + ": " + e);
        }
    }

    private static void fail(String sentence) {
        System.err.println(sentence);
        System.exit(1);
    }
}
